"""Gate G14, tier P: the state machine with a fixed seed, so that it fails for a change and not for bad luck.

`python -m tests.storms.run --tier nightly` goes on with seeds of its own.
"""

from __future__ import annotations

from tests.storms.run import TIERS, weather

from clarion.adapters.postgres.database import PostgresDatabase


async def test_g14_whatever_is_done_in_whatever_order_nobody_is_lost_and_nobody_gets_it_twice(
    database: PostgresDatabase,
) -> None:
    await weather(database, TIERS["commit"], seed=20)
