"""The outside observer: looks at the rows every 100 ms while workers die, and settles with the sink at the end.

It knows only the schema and what the sink accepted, nothing of the pipeline, so it cannot share its mistakes.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import asyncpg

INTERVAL_S = 0.1
FINAL_STATES = {"sent", "failed", "unknown", "skipped", "cancelled"}

# One statement, one snapshot: what it reads was true at one instant.
_LOOK = """
SELECT r.state AS run_state, r.selected_count, r.snapshot_done, r.next_seq - 1 AS frozen,
       (SELECT coalesce(jsonb_object_agg(state, n), '{}')
        FROM (SELECT state, count(*) AS n FROM delivery WHERE run_id = r.id GROUP BY state) AS s)::text AS states
FROM run AS r WHERE r.id = $1
"""
_ROWS = "SELECT seq, address, state, reason, attempts FROM delivery WHERE run_id = $1"


@dataclass(slots=True)
class Verdict:
    """What the observer found; `problems` empty means every promise held."""

    looks: int = 0
    audience: int = 0
    states: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    unknown_delivered: int = 0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For the JSON line."""
        return asdict(self)

    def complain(self, text: str) -> None:
        """Notes a broken promise, the first twenty of them."""
        if len(self.problems) < 20:
            self.problems.append(text)


class Observer:
    """Watches one run on a connection of its own."""

    def __init__(self, url: str, run_id: bytes) -> None:
        self._url = url
        self._run_id = run_id
        self._finals: Counter[str] = Counter()
        self._waiting: list[tuple[int, asyncio.Event]] = []
        self.verdict = Verdict()

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
        """Looks every 100 ms until the run is no longer active; each look must add up."""
        connection = await asyncpg.connect(self._url)
        try:
            while await self._look(connection):
                await asyncio.sleep(INTERVAL_S)
        finally:
            await connection.close()

    async def _look(self, connection: asyncpg.Connection[asyncpg.Record]) -> bool:
        row = await connection.fetchrow(_LOOK, self._run_id)
        assert row is not None
        states = Counter(_counts(row["states"]))
        self.verdict.looks += 1
        self.verdict.audience = row["selected_count"]
        self.verdict.states = dict(states)
        if states.total() != row["frozen"]:
            self.verdict.complain(f"states add up to {states.total()}, {row['frozen']} are frozen")
        if row["snapshot_done"] and states.total() != row["selected_count"]:
            self.verdict.complain(f"states add up to {states.total()}, the audience is {row['selected_count']}")
        finals = Counter({state: count for state, count in states.items() if state in FINAL_STATES - {"unknown"}})
        if any(count > finals[state] for state, count in self._finals.items()):
            self.verdict.complain(f"a final state was left: {dict(self._finals)} became {dict(finals)}")
        self._finals = finals
        for _, event in (waiting for waiting in self._waiting if waiting[0] <= self.final):
            event.set()
        return row["run_state"] in {"preparing", "sending", "paused"}

    async def settle(self, accepted: Mapping[str, int], *, unknown_limit: int) -> Verdict:
        """Compares every row with what the sink accepted, after the run has ended."""
        connection = await asyncpg.connect(self._url)
        try:
            rows = await connection.fetch(_ROWS, self._run_id)
        finally:
            await connection.close()
        for row in rows:
            self._judge(row["seq"], row["state"], row["attempts"], accepted.get(row["address"], 0))
        verdict = self.verdict
        verdict.accepted = sum(accepted.values())
        if strangers := accepted.keys() - {row["address"] for row in rows}:
            verdict.complain(f"{len(strangers)} addresses outside the audience were written to")
        if len(rows) != verdict.audience:
            verdict.complain(f"{len(rows)} rows for an audience of {verdict.audience}")
        if verdict.states.get("unknown", 0) > unknown_limit:
            verdict.complain(f"{verdict.states['unknown']} unknown, at most {unknown_limit} allowed")
        return verdict

    def _judge(self, seq: int, state: str, attempts: int, times: int) -> None:
        verdict = self.verdict
        verdict.duplicates += max(0, times - 1)
        if times > 1:
            verdict.complain(f"delivery {seq} ({state}) was accepted {times} times")
        if state not in FINAL_STATES:
            verdict.lost += 1
            verdict.complain(f"delivery {seq} is left {state}")
        elif state == "sent" and times == 0:
            verdict.lost += 1
            verdict.complain(f"delivery {seq} says sent and never arrived")
        elif state == "unknown":
            verdict.unknown_delivered += times
        elif state != "sent" and times:
            verdict.complain(f"delivery {seq} is {state} and arrived")
        if times and not attempts:
            verdict.complain(f"delivery {seq} arrived without an intent")


def _counts(text: str) -> dict[str, int]:
    return {str(state): int(count) for state, count in json.loads(text).items()}
