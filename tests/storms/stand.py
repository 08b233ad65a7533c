"""The real thing, moved step by step: one account on a real database, a scripted mail server, and workers by hand.

A worker here claims when told and drives when told, with the code of the real one; a crash is a failpoint that raises,
or a drive that is cancelled while its messages are on the wire, and leaves what a dead process leaves. Where to read
next: `machine`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from unittest.mock import patch

from tests.storms.model import Accepted, Row, RunSeen
from tests.support import calls
from tests.support.letters import BRISK
from tests.support.patience import PATIENCE_S
from tests.support.scene import LINKS
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import SEALER

from clarion import failpoints
from clarion.adapters.channels.ground import NoInbox
from clarion.adapters.channels.registry import ChannelRegistry
from clarion.adapters.channels.smtp import SmtpChannel
from clarion.adapters.postgres import freezing
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.channel import Channel
from clarion.domain.campaign import CampaignKind, Category, Lane
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id
from clarion.domain.providers.smtp import SmtpRelay
from clarion.domain.sender import Sender
from clarion.entrypoints.crew import Crew
from clarion.entrypoints.worker import Worker
from clarion.pipeline import due, recovering, settling, snapshot
from clarion.pipeline.intake import Intake
from clarion.pipeline.plans import Plans
from clarion.rendering.email import WireEmail

LEASE = timedelta(minutes=10)
"""Longer than any example: leases end when the test says so."""
_MESSAGE_ID = re.compile(rb"Message-ID: <([0-9a-f]{24})-(\d+)@")
_SUBJECT = re.compile(rb"Subject: (v\d+)")

_ROWS = """
SELECT d.run_id, d.seq, d.contact_id, d.address, d.state, d.reason, d.doubts
FROM delivery AS d JOIN run AS r ON r.id = d.run_id WHERE r.account_id = $1 ORDER BY d.run_id, d.seq
"""
_RUNS = """
SELECT id, campaign_id, state, selected_count, next_seq - 1 AS frozen, snapshot_done, finished_at IS NOT NULL AS over
FROM run WHERE account_id = $1 ORDER BY id
"""
_STATES = "SELECT id, state FROM campaign WHERE account_id = $1"


class BriskChannels(ChannelRegistry):
    """The real channels, with minutes played in tenths of a second."""

    def fresh(self, sender: Sender, sealed_secrets: bytes | None) -> Channel[WireEmail]:
        assert isinstance(sender.provider, SmtpRelay)
        assert not sealed_secrets
        timeouts = replace(BRISK, dot=PATIENCE_S, greeting=PATIENCE_S, command=PATIENCE_S, data=PATIENCE_S)
        return SmtpChannel(sender.provider, helo_name="storm.example", timeouts=timeouts)


class Quiet:
    """A queue that rings for nobody and hands out what the database hands out."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def wait(self, timeout_s: float) -> Collection[str]:
        await asyncio.sleep(timeout_s)
        return ()

    async def take(self, worker: str, lane: Lane, busy_senders: Sequence[Id], lease: timedelta) -> ClaimedBatch | None:
        async with self._database.reading() as tx:
            return await tx.batches.claim(worker, lane, busy_senders, lease)


@dataclass(slots=True)
class Stand:
    """One account with its campaigns by name, and a worker moved by hand."""

    stage: Stage
    sink: Sink
    worker: Worker
    intake: Intake
    ids: dict[str, Id]
    names: dict[Id, str]
    people: dict[Id, str]
    wire: ClaimedBatch | None = None
    """The batch whose messages are on the wire while something else is done."""
    _taken: int = 0
    _accepted: list[Accepted] = field(default_factory=list)

    @property
    def database(self) -> PostgresDatabase:
        """The database of this stand."""
        return self.stage.database

    def crew(self, lane: Lane) -> Crew:
        """The crew of a lane."""
        return next(crew for crew in self.worker._crews if crew.lane is lane)

    def of(self, name: str) -> Stage:
        """A campaign, as what is done to it wants it."""
        return replace(self.stage, campaign_id=self.ids[name])

    async def seen(self) -> tuple[dict[str, str], list[Row], list[RunSeen]]:
        """What the database shows now: campaigns, deliveries, runs with their reports."""
        async with self.database.reading() as tx:
            states = await tx.connection.fetch(_STATES, self.stage.account_id)
            runs = await tx.connection.fetch(_RUNS, self.stage.account_id)
            rows = await tx.connection.fetch(_ROWS, self.stage.account_id)
            reports = {run["id"]: await tx.runs.counts(run["id"]) for run in runs}
        found = [
            Row(row["run_id"], row["seq"], self.people.get(row["contact_id"], row["address"]), *row[4:]) for row in rows
        ]
        shown = []
        for id_, campaign_id, state, *facts in runs:
            report = Counter[str]()
            for count in reports[id_]:
                report[count.state.value] += count.count
            shown.append(RunSeen(id_, self.names[campaign_id], state, report, *facts))
        return {self.names[id_]: state for id_, state in states}, found, shown

    def accepted(self) -> list[Accepted]:
        """Everything this stand's mail server took, in order."""
        for one in self.sink.accepted[self._taken :]:
            name, subject = _MESSAGE_ID.search(one.data), _SUBJECT.search(one.data)
            assert name is not None
            assert subject is not None
            run = bytes.fromhex(name[1].decode())
            self._accepted.append(Accepted(run, int(name[2]), one.rcpt_to[0], subject[1].decode()))
        self._taken = len(self.sink.accepted)
        return self._accepted

    def on_the_wire(self) -> frozenset[tuple[bytes, int]]:
        """The deliveries whose messages may be on the wire now."""
        batch = self.wire
        if batch is None:
            return frozenset()
        return frozenset((batch.run_id, seq) for seq in batch.seqs or range(batch.first_seq, batch.last_seq + 1))

    async def tick(self) -> None:
        """What a scheduler does when the clock says so, once."""
        await due.start_due(self.database)
        await due.execute_due(self.database)
        await due.end_overdue(self.database)
        while await snapshot.take_slice(self.database):
            continue
        await settling.close_runs(self.database)

    async def drive(self, batch: ClaimedBatch) -> None:
        """Sends a claimed batch as a worker does."""
        async with asyncio.timeout(PATIENCE_S):
            await self.crew(batch.lane)._drive(batch)

    async def drive_during(self, batch: ClaimedBatch, meanwhile: Callable[[], Awaitable[None]], *, dies: bool) -> None:
        """Sends a batch whose answers come only after something else was done, or after its worker has died."""
        self.sink.hold()
        driving = asyncio.create_task(self.drive(batch))
        held = asyncio.create_task(self.sink.has_held.wait())
        try:
            await asyncio.wait({driving, held}, return_when=asyncio.FIRST_COMPLETED)
            self.wire = batch
            await meanwhile()
            if dies:
                driving.cancel()
        finally:
            self.wire = None
            self.sink.release()
            held.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await driving

    async def leases_end(self) -> None:
        """Lets every lease run out and takes back what its worker left."""
        await self.stage.execute(
            "UPDATE batch SET lease_until = now() - interval '1 second' WHERE worker IS NOT NULL AND run_id IN "
            "(SELECT id FROM run WHERE account_id = $1)",
            self.stage.account_id,
        )
        await recovering.recover(self.database)

    async def retries_come_due(self, *, is_deadline_over: bool = False) -> None:
        """Moves the time of every next try to now, and the deadlines as well when told."""
        mine = "run_id IN (SELECT id FROM run WHERE account_id = $1)"
        account_id = self.stage.account_id
        await self.stage.execute(
            f"UPDATE delivery SET not_before = now() WHERE not_before > now() AND {mine}", account_id
        )
        await self.stage.execute(f"UPDATE batch SET due_at = now() WHERE worker IS NULL AND {mine}", account_id)
        if is_deadline_over:
            await self.stage.execute("UPDATE run SET deadline_at = now() WHERE account_id = $1", account_id)


@contextlib.contextmanager
def failing(point: str | None) -> Iterator[None]:
    """Makes the code fail at one point, the first time it is reached."""
    failpoints.arm(f"{point}:raise" if point else "")
    try:
        yield
    except failpoints.Injected:
        pass
    finally:
        failpoints.arm("")


@asynccontextmanager
async def workshop(database: PostgresDatabase) -> AsyncIterator[Callable[[Sequence[str]], Awaitable[Stand]]]:
    """Gives a function that makes a new stand over these addresses; slices and batches are tiny in the block."""
    async with Sink() as sink:
        channels = BriskChannels(SEALER, NoInbox(), helo_name="storm.example", public_url=None)
        plans = Plans(database, channels, LINKS)
        intake = Intake(database)

        async def make(addresses: Sequence[str]) -> Stand:
            sink.accepted.clear()
            sink.seen_before.clear()
            made = await calls.build(database, addresses, email=content(1), port=sink.port)
            worker = Worker(database, plans, Quiet(database), "by hand", LEASE)
            ids = {"called": made.campaign_id, **await _broadcasts(made)}
            await made.execute("UPDATE campaign SET state = 'draft', started_at = NULL WHERE id = $1", made.campaign_id)
            people = {contact_id: address for address, contact_id in made.contact_ids.items()}
            return Stand(made, sink, worker, intake, ids, {id_: name for name, id_ in ids.items()}, people)

        tiny = patch.multiple(snapshot, FIRST_SLICE=3, SLICE=4), patch.object(freezing, "BATCH_SIZE", 3)
        with contextlib.ExitStack() as stack:
            for one in tiny:
                stack.enter_context(one)
            try:
                yield make
            finally:
                await intake.aclose()
                await channels.aclose()


async def _broadcasts(made: Stage) -> dict[str, Id]:
    found = {}
    async with made.database.transaction() as tx:
        for category in Category:
            draft = CampaignDraft(
                name=category, kind=CampaignKind.BROADCAST, category=category, groups=["everyone"],
                sender_id=made.sender_id.hex(), email=content(1),
            )  # fmt: skip
            made_campaign = await campaigns.create_campaign(tx, account_id=made.account_id, draft=draft, links=LINKS)
            found[category.value] = made_campaign.id
    return found


def content(version: int) -> EmailContent:
    """A message that says which version of it went out."""
    return EmailContent(subject=f"v{version}", html="<p>Hello {{ contact.email }}</p>")
