"""Gate G14, tier P: the state machine with fixed seeds, so that it fails for a change and not for bad luck.

`python -m tests.storms.run --tier nightly` goes on with seeds of its own.
"""

from __future__ import annotations

import pytest
from tests.storms.run import TIERS, weather

from clarion.adapters.postgres.database import PostgresDatabase


@pytest.mark.parametrize("seed", [20, 21, 22])
async def test_g14_f69_f70_whatever_is_done_in_whatever_order_nobody_is_lost_and_nobody_gets_it_twice(
    database: PostgresDatabase, seed: int
) -> None:
    await weather(database, TIERS["commit"], seed)
