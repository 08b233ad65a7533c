"""The outside observer: looks at the rows every 100 ms while things break, and settles with the sink at the end.

It knows only the schema and what the sink accepted, nothing of the pipeline, so it cannot share its mistakes. The
numbers I1 to I12 are those of docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
from tests.crash.reader import Observed
from tests.crash.verdict import FINAL_STATES, Row, Verdict
from tests.support.patience import PATIENCE_S

from clarion.domain.campaign import Category

INTERVAL_S = 0.1
START_S = 30.0
"""What a scheduler needs at most to start, or to find the database again."""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asking a database that is being killed may raise."""

# One statement, one snapshot: what it reads was true at one instant.
_LOOK = """
SELECT r.state AS run_state, r.selected_count, r.snapshot_done, r.next_seq - 1 AS frozen,
       (SELECT coalesce(jsonb_object_agg(state, n), '{}')
        FROM (SELECT state, count(*) AS n FROM delivery WHERE run_id = r.id GROUP BY state) AS s)::text AS states,
       (SELECT min(lease_until) FROM batch WHERE run_id = r.id AND worker IS NOT NULL) AS leased_until, now() AS now,
       (SELECT count(*) FROM run AS other
        WHERE other.campaign_id = r.campaign_id AND other.state IN ('preparing', 'sending', 'paused')) AS active_runs
FROM run AS r WHERE r.id = $1
"""
_WITHOUT_INTENT = "SELECT array_agg(seq) FROM delivery WHERE run_id = $1 AND seq = ANY($2::int[]) AND attempts = 0"
_ROWS = "SELECT seq, address, state, attempts, doubts FROM delivery WHERE run_id = $1"


async def without_intent(
    connection: asyncpg.Connection[asyncpg.Record], run_id: bytes, seqs: Sequence[int]
) -> list[int]:
    """Those of the deliveries for which no intent is committed. The only place that knows how an intent is written."""
    return await connection.fetchval(_WITHOUT_INTENT, run_id, seqs) or []


class Observer:
    """Watches one run on a connection of its own. `lease_s` bounds what may be left lying (I6)."""

    def __init__(self, url: str, run_id: bytes, witness: Observed, category: Category, *, lease_s: float) -> None:
        self._url = url
        self._run_id = run_id
        self._witness = witness
        self._lease_s = lease_s
        self._read_to = 0
        self._finals: Counter[str] = Counter()
        self._waiting: list[tuple[int, asyncio.Event]] = []
        self._oldest: datetime | None = None
        self._overdue_looks = 0
        self.verdict = Verdict(holds=category is Category.MARKETING)

    @property
    def final(self) -> int:
        """How many deliveries were in a final state at the last look."""
        return sum(count for state, count in self.verdict.states.items() if state in FINAL_STATES)

    async def reached(self, count: int) -> None:
        """Waits until a look finds `count` deliveries in a final state."""
        if self.final < count:
            event = asyncio.Event()
            self._waiting.append((count, event))
            await event.wait()

    async def watch(self) -> None:
        """Looks every 100 ms until the run is no longer active, over a new connection whenever one is lost."""
        is_active = True
        while is_active:
            try:
                connection = await asyncpg.connect(self._url, timeout=PATIENCE_S)
                try:
                    while is_active := await self._look(connection):
                        await asyncio.sleep(INTERVAL_S)
                finally:
                    connection.terminate()
            except AWAY:
                await asyncio.sleep(INTERVAL_S)

    async def _look(self, connection: asyncpg.Connection[asyncpg.Record]) -> bool:
        accepted = len(self._witness.accepted)  # before the snapshot: for these the intent must be in it
        row = await connection.fetchrow(_LOOK, self._run_id)
        assert row is not None
        states = Counter({str(state): int(count) for state, count in json.loads(row["states"]).items()})
        self._count(row, states)
        self._check_leases(row["leased_until"], row["now"])
        await self._check_intents(connection, accepted)
        for _, event in (waiting for waiting in self._waiting if waiting[0] <= self.final):
            event.set()
        return row["run_state"] in {"preparing", "sending", "paused"}

    def _count(self, row: asyncpg.Record, states: Counter[str]) -> None:
        verdict = self.verdict
        verdict.looks += 1
        verdict.audience = row["selected_count"]
        verdict.states = dict(states)
        if states.total() != row["frozen"]:
            verdict.complain(f"I1: states add up to {states.total()}, {row['frozen']} are frozen")
        if row["snapshot_done"] and states.total() != row["selected_count"]:
            verdict.complain(f"I1: states add up to {states.total()}, the audience is {row['selected_count']}")
        finals = Counter({state: count for state, count in states.items() if state in FINAL_STATES - {"unknown"}})
        if any(count > finals[state] for state, count in self._finals.items()):
            verdict.complain(f"I7: a final state was left: {dict(self._finals)} became {dict(finals)}")
        self._finals = finals
        if row["active_runs"] > 1:
            verdict.complain(f"I10: {row['active_runs']} active runs of one campaign")

    def _check_leases(self, oldest: datetime | None, now: datetime) -> None:
        """A lease that ran out is taken back within as long again, and what a scheduler needs to start anew.

        Counted in looks: while the machine stands still or the database is away, nobody can take anything back.
        """
        is_the_same = oldest is not None and oldest == self._oldest and oldest < now
        self._overdue_looks = self._overdue_looks + 1 if is_the_same else 0
        self._oldest = oldest
        overdue_s = self._overdue_looks * INTERVAL_S
        self.verdict.longest_overdue_s = round(max(self.verdict.longest_overdue_s, overdue_s), 1)
        if overdue_s > self._lease_s + START_S:
            self.verdict.complain(f"I6: a batch is left {overdue_s:.1f} s after its lease")

    async def _check_intents(self, connection: asyncpg.Connection[asyncpg.Record], accepted: int) -> None:
        fresh = self._witness.accepted[self._read_to : accepted]
        self._read_to = accepted
        seqs = [self._witness.number_of(acceptance.rcpt_to[0]) for acceptance in fresh]
        for seq in await without_intent(connection, self._run_id, seqs) if seqs else ():
            self.verdict.complain(f"I2: delivery {seq} was accepted without an intent")

    async def settle(self, *, unknown_limit: int, reported: Mapping[str, int]) -> Verdict:
        """Compares every row with what the sink accepted, after the run has ended; `reported` is what a report says."""
        connection = await asyncpg.connect(self._url, timeout=PATIENCE_S)
        try:
            await self._look(connection)
            rows = [Row(**row) for row in await connection.fetch(_ROWS, self._run_id)]
        finally:
            await connection.close()
        copies, verdict = self._witness.copies, self.verdict
        for row in rows:
            verdict.judge(row, copies[row.address])
        verdict.accepted = copies.total()
        verdict.max_copies = max(copies.values(), default=0)
        for problem in self._witness.problems:
            verdict.complain(problem)
        if strangers := copies.keys() - {row.address for row in rows}:
            verdict.complain(f"I5: {len(strangers)} addresses outside the audience were written to")
        if len(rows) != verdict.audience:
            verdict.complain(f"I1: {len(rows)} rows for an audience of {verdict.audience}")
        if dict(reported) != verdict.states:
            verdict.complain(f"I9: reported {dict(reported)}, counted {verdict.states}")
        if verdict.states.get("unknown", 0) > unknown_limit:
            verdict.complain(f"{verdict.states['unknown']} unknown, at most {unknown_limit} allowed")
        return verdict
