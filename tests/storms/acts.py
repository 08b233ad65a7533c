"""What the state machine does to its stand, each thing told to the model together with how it was answered.

Decides neither what comes next nor what is right. Where to read next: `machine`, `model`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.storms.model import Ban, CampaignModel, Model
from tests.storms.stand import Stand, content, failing
from tests.support import calls
from tests.support.scene import LINKS

from clarion.application import campaign_suppressions, campaigns, contacts, lifecycle
from clarion.application.calls import TriggerCall
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict
from clarion.domain.suppression import SuppressionReason
from clarion.failpoints import Injected

PEOPLE: Final = [
    "ann@storm.example", "bob@storm.example", "cut-after-dot+cy@storm.example", "550_5.1.1-rcpt+dan@storm.example",
    "4xx-rcpt+eve@storm.example", "grey+fay@storm.example", "554-dot+gus@storm.example", "hal@storm.example",
]  # fmt: skip
ERASABLE: Final = ["bob@storm.example", "grey+fay@storm.example"]
NAMES: Final = ["marketing", "transactional", "called"]
ROUNDS: Final = 40
"""Looks at the end before something counts as stuck."""


class Acts:
    """One account's people, clock and workers."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.model = Model({n: CampaignModel(n, n == "marketing", n == "called") for n in NAMES}, set(PEOPLE))
        self.claimed: list[ClaimedBatch] = []
        self._edits = 1

    async def command(self, name: str, given: list[str]) -> None:
        campaign, of = self.model.campaigns[name], self.stand.of(name)
        results = await asyncio.gather(*(self.one_command(name, one) for one in given))
        state = (await of.campaign()).state.value
        stopped_from = self.model.after(name, given, results, state)
        await self.learn_of_runs()
        held = frozenset(campaign.runs)
        if state == "running" or ("resume", True) in zip(given, results, strict=True):
            self.model.bans = [ban for ban in self.model.bans if ban.why != f"pause of {name}"]
        if state == "paused":
            self.ban(f"pause of {name}", runs=held)
        for run in held if stopped_from else ():
            self.model.runs[run].was_ended = True
        if stopped_from and not (campaign.is_triggered and "running" in stopped_from):
            self.ban(f"stop of {name}", runs=held)

    async def one_command(self, name: str, command: str) -> bool:
        of = self.stand.of(name)
        act: Callable[..., Awaitable[object]] = getattr(lifecycle, command)
        try:
            async with of.database.transaction() as tx:
                await act(tx, account_id=of.account_id, campaign_id=of.campaign_id)
        except Conflict:
            return False
        if command in {"pause", "stop"}:
            await of.barrier()
        return True

    def ban(self, why: str, **covered: Any) -> None:
        wire = self.stand.on_the_wire()
        self.model.bans.append(Ban(why=why, on_the_wire=wire, **covered))

    async def learn_of_runs(self) -> None:
        _, _, runs = await self.stand.seen()
        for run in runs:
            if run.id not in self.model.runs:
                self.model.begin(run.campaign, run.id)

    async def edit(self, name: str, *, is_timed: bool) -> None:
        self._edits += 1
        of, campaign = self.stand.of(name), self.model.campaigns[name]
        draft = CampaignDraft(email=content(self._edits), start_at=None)
        try:
            async with of.database.transaction() as tx:
                if is_timed:
                    now = await tx.campaigns.now()
                    draft = CampaignDraft(email=content(self._edits), start_at=now.replace(year=now.year + 1))
                await campaigns.update_campaign(
                    tx, account_id=of.account_id, campaign_id=of.campaign_id, draft=draft, links=LINKS
                )
        except Conflict:
            assert campaign.state != "draft", f"{name} is a draft and cannot be edited"
            return
        assert campaign.state == "draft", f"{name} was edited while {campaign.state}"
        campaign.version = self._edits
        campaign.state = "scheduled" if is_timed else "draft"

    async def call(self, request_id: str | None, who: list[str], copies: int) -> None:
        of, campaign = self.stand.of("called"), self.model.campaigns["called"]
        body = ",".join(who)
        call = TriggerCall(
            account_id=of.account_id, campaign_id=of.campaign_id, request_id=request_id,
            body_hash=hashlib.sha256(body.encode()).digest(),
            recipients=tuple(calls.to(one, is_external=True) for one in who),
        )  # fmt: skip
        answers = await asyncio.gather(*(self.stand.intake.submit(call) for _ in range(copies)), return_exceptions=True)
        known = self.model.calls.get(request_id) if request_id else None
        if known is None and campaign.state != "running":
            assert all(isinstance(one, Conflict) for one in answers), f"called while {campaign.state}: {answers}"
            return
        if known is not None and known[0] != tuple(who):
            assert all(isinstance(one, Conflict) and one.code == "REQUEST_ID_REUSED" for one in answers), f"{answers}"
            return
        found = [one for one in answers if not isinstance(one, BaseException)]
        assert len(found) == copies, f"{answers}"
        executions = {one.id for one in found}
        assert len(executions) == (1 if request_id else copies), f"one request, many executions: {found}"
        if known is not None:
            assert executions == {known[1]}, "the same request got another execution"
            return
        if request_id:
            self.model.calls[request_id] = (tuple(who), found[0].id)
        await self.learn_of_runs()
        for execution in {one.id: one for one in found}.values():
            assert execution.run_id is not None
            self.model.runs[execution.run_id].audience.update(who)

    async def refuse(self, who: str, name: str, act: str) -> None:
        if act == "erase":
            await self.erase(who)
        elif act == "opt out":
            await self.opt_out(who, name)
        else:
            reason = SuppressionReason.MANUAL if act == "suppress" else SuppressionReason.UNSUBSCRIBED
            await self.suppress(who, reason)

    async def suppress(self, who: str, reason: SuppressionReason) -> None:
        await self.stand.stage.suppress(who, reason)
        self.model.barred.add(who)
        campaign = None if reason is SuppressionReason.MANUAL else "marketing"
        self.ban(f"suppression of {who}", campaign=campaign, who=who)

    async def opt_out(self, who: str, name: str) -> None:
        of = self.stand.of(name)
        async with of.database.transaction() as tx:
            await campaign_suppressions.suppress_for_campaign(
                tx, account_id=of.account_id, campaign_id=of.campaign_id, channel=ChannelName.EMAIL, address=who
            )
        await of.barrier()
        self.model.barred.add(who)
        self.ban(f"opt-out of {who}", campaign=name, who=who)

    async def erase(self, who: str) -> None:
        if who not in ERASABLE or who not in self.model.people:
            return
        of = self.stand.stage
        async with of.database.transaction() as tx:
            await contacts.delete_contact(tx, account_id=of.account_id, contact_id=of.contact_ids[who])
        self.model.people.discard(who)
        self.model.barred.add(who)
        for name in ("marketing", "transactional"):
            self.ban(f"erasure of {who}", campaign=name, who=who)

    async def tick(self, point: str | None = None, schedulers: int = 1) -> None:
        with failing(point):
            ticks = await asyncio.gather(*(self.stand.tick() for _ in range(schedulers)), return_exceptions=True)
            for fault in filter(None, ticks):
                if not isinstance(fault, Injected):
                    raise fault
        await self.learn_of_runs()

    async def start_times_come(self) -> None:
        scheduled = [c for c in self.model.campaigns.values() if c.state == "scheduled"]
        await self.stand.stage.execute(
            "UPDATE campaign SET start_at = now() WHERE state = 'scheduled' AND account_id = $1",
            self.stand.stage.account_id,
        )
        await self.tick(None, 2)
        for campaign in scheduled:
            campaign.state = "running"

    async def end_comes(self, name: str) -> None:
        campaign, of = self.model.campaigns[name], self.stand.of(name)
        await of.execute("UPDATE campaign SET end_at = now() WHERE id = $1", of.campaign_id)
        before, held = campaign.state, frozenset(campaign.runs)
        await self.tick(None, 2)
        await of.execute("UPDATE campaign SET end_at = NULL WHERE id = $1", of.campaign_id)
        if before not in {"running", "paused"}:
            return
        campaign.state = "completed" if campaign.is_triggered else "stopped"
        for run in held:
            self.model.runs[run].was_ended = True
        if not (campaign.is_triggered and before == "running"):
            self.ban(f"end of {name}", runs=held)

    async def leases_end(self, point: str | None) -> None:
        _, rows, _ = await self.stand.seen()
        for row in rows:
            if row.state == "sending":
                self.model.runs[row.run].doubtful.add(row.seq)
        with failing(point):
            await self.stand.leases_end()

    async def claim(self, lane: Lane) -> None:
        batch = await self.stand.crew(lane)._claim_one()
        if batch is not None:
            self.claimed.append(batch)

    async def work(
        self,
        lane: Lane,
        place: int,
        point: str | None,
        drive: Callable[[ClaimedBatch], Awaitable[None]] | None = None,
    ) -> bool:
        """Sends a batch; False when there is none."""
        if not self.claimed:
            await self.claim(lane)
        if not self.claimed:
            return False
        with failing(point):
            await (drive or self.stand.drive)(self.claimed.pop(place % len(self.claimed)))
        return True

    async def look(self) -> None:
        states, rows, runs = await self.stand.seen()
        self.model.look(rows, runs, self.stand.accepted())
        for name, state in states.items():
            self.model.moved_by_itself(name, state, rows, runs)

    async def come_to_an_end(self) -> None:
        """I6: when nobody interferes any more, nothing stays behind."""
        for name, campaign in self.model.campaigns.items():
            if campaign.state == "paused":
                await self.command(name, ["resume"])
            if campaign.is_triggered and campaign.state == "running":
                await self.command(name, ["stop"])
        for turn in range(ROUNDS):
            await self.tick()
            for lane in Lane:
                while await self.work(lane, 0, None):
                    continue
            await self.look()
            _, rows, runs = await self.stand.seen()
            if all(run.is_finished for run in runs):
                self.model.close(rows)
                return
            await self.leases_end(None)
            self.model.is_late = turn >= 1
            await self.stand.retries_come_due(is_deadline_over=self.model.is_late)
        raise AssertionError(f"I6: still open after {ROUNDS} rounds: {runs} {rows}")
