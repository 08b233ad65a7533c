"""Gates G9 and G10, tier P: what is answered is true, at full speed and over real processes.

How long callers waited is printed and no reason to fail here: `python -m tests.storms.pauses` holds it to the promise.
"""

from __future__ import annotations

from tests.storms.pauses import TIERS, run
from tests.support.database import Databases


async def test_g9_g10_f61_f62_f63_f64_after_an_answer_no_intent_is_written_that_it_forbids(
    databases: Databases,
) -> None:
    for report in await run(databases, TIERS["commit"], seed=9):
        print(report.line())
        assert not report.problems, report.line()
