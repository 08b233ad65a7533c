"""Pace: which messages of a batch may go out now, under limits that all workers share, and what waits for its turn.

Owns no clock: whoever books first goes first, on rows in the database. What has no room within a second is set aside
instead of waited for, and let go by the scheduler when there is room. Where to read next: `sending`, which asks before
every window; `docs/pace.md`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from clarion import telemetry
from clarion.application.ports import Database, Transaction
from clarion.application.ports.batches import Attempted, ClaimedBatch, Recipient
from clarion.domain.delivery import RETRY_DEADLINE
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason, Verdict
from clarion.domain.pace import Booking, Limits, Waiting
from clarion.pipeline.patience import insisting, set_within

PATIENCE_S: Final = 1.0
"""How long a window waits for its turn; what must wait longer gives its batch back."""
_MANY_DEFERRED: Final = 10
"""So many messages put off, and half of what went there, say "too fast" as well as words do."""


class Addressed(Protocol):
    """A message about to go out, as pace needs to know it."""

    @property
    def seq(self) -> int:
        """Its number within the run."""
        ...

    @property
    def address_key(self) -> str:
        """Its canonical address."""
        ...


M = TypeVar("M", bound=Addressed)


class Meter:
    """How many messages a second a sender gets rid of in this worker, over the last second or two."""

    __slots__ = ("_began", "_count", "_rate")

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._count = 0
        self._rate = 0.0

    def add(self, messages: int) -> None:
        """Counts messages that had an answer."""
        now = time.monotonic()
        if now - self._began >= 1.0:
            self._rate = self._count / (now - self._began)
            self._began, self._count = now, 0
        self._count += messages

    @property
    def rate(self) -> float:
        """Messages a second."""
        return max(self._rate, self._count / max(time.monotonic() - self._began, 1.0))


@dataclass(slots=True)
class Pace:
    """The pace of one batch on the sender that sends it. Setting `stopping` cuts a wait short."""

    database: Database
    account_id: Id
    sender_id: Id
    limits: Limits
    stopping: asyncio.Event
    meter: Meter = field(default_factory=Meter)
    _recipients: Sequence[Recipient] = ()
    _waiting: list[Waiting] = field(default_factory=list)
    _shut: dict[str, Id] = field(default_factory=dict)

    @property
    def is_shut(self) -> bool:
        """Whether nothing more of the batch may go: the sender or the account has no room."""
        return "" in self._shut

    def begin(self, recipients: Sequence[Recipient]) -> None:
        """Learns who is in the batch."""
        self._recipients = recipients

    def sift(self, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        """Leaves out those who have no room any more, as their domain had none a moment ago."""
        if not self._shut:
            return recipients
        going: list[Recipient] = []
        for recipient in recipients:
            domain = "" if self.is_shut else domain_of(recipient.address)
            if domain in self._shut:
                self._wait(recipient.seq, self._shut[domain], domain)
            else:
                going.append(recipient)
        return going

    async def admit(self, members: Sequence[M]) -> Sequence[M]:
        """Books these messages and gives those that may go now, having waited for it a second at most.

        The others are set aside. Gives none when the wait was cut short because the worker stops.
        """
        if not self.limits.any or not members:
            return members
        domains = [self._limited_domain(member) for member in members]
        wanted = Counter(domains)
        booking = await insisting(
            self.database, lambda tx: tx.pace.book(self.account_id, self.sender_id, wanted, PATIENCE_S)
        )
        going = self._share_out(members, domains, booking)
        if going and booking.wait_s > 0 and await set_within(self.stopping, booking.wait_s):
            await self.count_granted(len(going), 0)
            return []
        return going

    async def count_granted(self, admitted: int, granted: int) -> None:
        """Gives back to the day's cap what was admitted and then not granted."""
        if self.limits.has_cap and granted < admitted:
            await insisting(self.database, lambda tx: tx.pace.give_back(self.sender_id, admitted - granted))

    async def set_aside(self, batch: ClaimedBatch, at: int) -> None:
        """Moves what waits into batches of its own: with the recipients from `at` on, when nothing more may go."""
        if self.is_shut:
            self.sift(self._recipients[at:])
        if self._waiting:
            await insisting(self.database, lambda tx: tx.pace.set_aside(batch, self._waiting))

    async def note(self, attempted: Sequence[Attempted]) -> None:
        """Slows the sender, or one domain of it, for all workers when the other side says that it is too fast."""
        self.meter.add(len(attempted))
        if not any(one.outcome.verdict is Verdict.RETRY for one in attempted):
            return
        domains = {recipient.seq: domain_of(recipient.address) for recipient in self._recipients}
        for domain, share in too_fast(attempted, domains):
            rate = self.limits.rate if self.limits.rate and not domain else self.meter.rate * share
            self.limits = await insisting(self.database, _slowing(self.sender_id, domain, rate))

    def _limited_domain(self, member: Addressed) -> str:
        if not self.limits.domains:
            return ""
        domain = domain_of(member.address_key)
        return domain if domain in self.limits.domains else ""

    def _share_out(self, members: Sequence[M], domains: Sequence[str], booking: Booking) -> list[M]:
        going: list[M] = []
        room = dict(booking.room)
        for member, domain in zip(members, domains, strict=True):
            if room[domain] <= 0:
                self._wait(member.seq, booking.refused_by[domain], domain)
            elif len(going) < booking.may_go:
                room[domain] -= 1
                going.append(member)
            else:
                self._wait(member.seq, booking.held_by or self.sender_id, "")
        return going

    def _wait(self, seq: int, owner: Id, domain: str) -> None:
        self._waiting.append(Waiting(seq, owner, domain))
        self._shut[domain] = owner


def _slowing(sender_id: Id, domain: str, rate: float) -> Callable[[Transaction], Awaitable[Limits]]:
    async def slow(tx: Transaction) -> Limits:
        if await tx.pace.slow(sender_id, domain, rate):
            telemetry.logger().warning(telemetry.Event.SENDER_SLOWED, sender_id=sender_id.hex(), domain=domain or None)
        return await tx.pace.limits(sender_id)

    return slow


def too_fast(attempted: Sequence[Attempted], domains: Mapping[int, str]) -> Iterator[tuple[str, float]]:
    """Who should slow down after these outcomes, and its share of them: one domain, or with "" the whole sender.

    A server says so by `throttled`, or by putting off half of many messages; one recipient that is put off says
    nothing. When mail for other domains was accepted at the same time, only the domain that was refused is meant.
    """
    asked = Counter(domains.get(one.seq, "") for one in attempted)
    taken = Counter(domains.get(one.seq, "") for one in attempted if one.outcome.verdict is Verdict.SENT)
    throttled = Counter(domains.get(one.seq, "") for one in attempted if one.outcome.reason is Reason.THROTTLED)
    deferred = Counter(domains.get(one.seq, "") for one in attempted if one.outcome.reason is Reason.DEFERRED)
    hit = {
        domain
        for domain, messages in asked.items()
        if throttled[domain] or deferred[domain] >= max(_MANY_DEFERRED, messages / 2)
    }
    if len(hit) == 1 and any(taken[domain] for domain in taken.keys() - hit):
        domain = hit.pop()
        yield domain, asked[domain] / len(attempted)
    elif hit or deferred.total() >= max(_MANY_DEFERRED, len(attempted) / 2):
        yield "", 1.0


def domain_of(address: str) -> str:
    """The domain of a stored email address or of its key, in lower-case A-labels; no other address has one."""
    return address.rpartition("@")[2] if "@" in address else ""


async def let_go(database: Database) -> int:
    """Makes due what was set aside and has room now; returns how many batches. Safe to repeat: it only frees."""
    async with database.reading() as tx:
        return await tx.pace.let_go()


async def spare(database: Database) -> int:
    """Keeps the deadlines of runs away while they hold what was never begun or was set aside; returns how many.

    So nobody fails because of a limit of ours: the time runs from when the last of a run could be tried. Safe to
    repeat because a deadline only moves on.
    """
    async with database.reading() as tx:
        return await tx.pace.spare(RETRY_DEADLINE)
