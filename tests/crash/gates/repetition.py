"""G7: every task comes two to five times, old ones come back, the bell rings for nothing: nobody gets two messages.

Beside the real workers a replayer rings the bell again and again, repeats every step that may be repeated, and replays
each batch with the epochs before and after its holder's. Where to read next: `tests/integration/test_recovery.py`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace

from tests.crash.ground import ground
from tests.crash.report import Report
from tests.support.database import Databases

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.batches import ClaimedBatch, Turn
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.pipeline import recovering, settling, snapshot

WORKERS = 3
TIERS = {"P": 5_000, "N": 100_000, "R": 1_000_000}

_NEVER = 1_000
"""So many claims ahead: the next one could come true while it is replayed."""
_LEASED = """
SELECT b.run_id, r.account_id, r.sender_id, r.channel, b.lane, b.no, b.epoch, b.first_seq, b.last_seq, b.seqs
FROM batch AS b JOIN run AS r ON r.id = b.run_id WHERE b.worker IS NOT NULL
"""


async def run(chance: random.Random, tier: str, databases: Databases) -> Report:
    """Nothing may be granted to a replayed task, and nobody gets two messages, on any channel."""
    sizes = {channel: TIERS[tier] if channel is ChannelName.EMAIL else TIERS[tier] // 5 for channel in ChannelName}
    return Report.merged([await _repeated(chance, size, databases, channel) for channel, size in sizes.items()])


async def _repeated(chance: random.Random, recipients: int, databases: Databases, channel: ChannelName) -> Report:
    async with ground(databases, chance, recipients=recipients, local_part="slow0.002+", channel=channel) as site:
        site.supervisor.keep(worker=WORKERS, scheduler=2)
        observer = await site.start()
        replayer = Replayer(site.database, chance)
        replaying = asyncio.create_task(replayer.replay())
        seconds = await site.over()
        replaying.cancel()
        await asyncio.gather(replaying, return_exceptions=True)
        verdict = await site.settle(observer, unknown_limit=0)
        if replaying.done() and not replaying.cancelled() and (fault := replaying.exception()):
            verdict.complain(f"a replay failed: {fault!r}")
        if replayer.granted:
            verdict.complain(f"{replayer.granted} messages were granted to replayed tasks")
        if not replayer.replayed:
            verdict.complain("nothing was replayed")
        return Report.of(verdict, seconds, channel.value, replayed=replayer.replayed, granted=replayer.granted)


@dataclass(slots=True)
class Replayer:
    """A queue gone mad: delivers everything several times and forgets nothing."""

    database: PostgresDatabase
    chance: random.Random
    replayed: int = 0
    granted: int = 0

    async def replay(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            for batch in await self._leased():
                for epoch in (batch.epoch - 1, batch.epoch + _NEVER):
                    await asyncio.gather(
                        *(self._turn(replace(batch, epoch=epoch)) for _ in range(self.chance.randint(2, 5)))
                    )
            await asyncio.gather(*(self._steps() for _ in range(self.chance.randint(2, 5))))
            await asyncio.sleep(0.05)

    async def _leased(self) -> list[ClaimedBatch]:
        async with self.database.reading() as tx:
            rows = await tx.connection.fetch(_LEASED)
        known = ({**row, "lane": Lane(row["lane"]), "channel": ChannelName(row["channel"])} for row in rows)
        return [ClaimedBatch(**one) for one in known]

    async def _turn(self, batch: ClaimedBatch) -> None:
        """Asks for all recipients of the batch, as a task that comes again would, and gives the batch back."""
        seqs = batch.seqs or range(batch.first_seq, batch.last_seq + 1)
        async with self.database.reading() as tx:
            result = await tx.batches.turn(batch, Turn(intent=[(seq, f"{seq}@load.example") for seq in seqs]))
            await tx.batches.settle(batch)
        self.replayed += 1
        self.granted += len(result.granted)

    async def _steps(self) -> None:
        await recovering.recover(self.database)
        await settling.close_runs(self.database)
        await snapshot.take_slice(self.database)
        async with self.database.transaction() as tx:
            await tx.announce_work()
