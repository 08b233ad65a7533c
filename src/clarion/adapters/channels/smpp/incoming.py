"""What a centre tells over one session: receipts and messages from people, acknowledged once they are on disk.

Owns the promise towards the centre: deliver_sm_resp goes out after the inbox has stored what came, and an error that
makes the centre deliver again when it could not. While one group is being stored the next one gathers. The parts of a
long message wait a moment for each other, unacknowledged; then each is a message of its own. Where to read next:
`receipts`, `alphabets`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from clarion.adapters.channels.smpp import pdu, statuses
from clarion.adapters.channels.smpp.alphabets import Place, place_of, text_of, words_of
from clarion.adapters.channels.smpp.pdu import Garbled, Message, Pdu
from clarion.adapters.channels.smpp.receipts import is_marked, is_meant, read_receipt
from clarion.adapters.channels.smpp.timers import Timers
from clarion.application.ports.receipts import Inbound, Inbox, News, Receipt
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id, new_id
from clarion.domain.providers.smpp import Notation

WAITING_LIMIT: Final = 5_000
"""What may wait to be stored; what comes beyond it has to come again."""
_PARTIAL_LIMIT: Final = 500
"""Long messages of which some parts are missing."""
_DOUBTFUL_LIMIT: Final = 10_000
_INTERNATIONAL: Final = 1


@dataclass(slots=True)
class Desk:
    """What the sessions of one channel have in common: where news goes, and under which names.

    A message from a person has no name of its own. One that may be stored already, because its answer did not come in
    time, keeps the name it got when it comes again.
    """

    inbox: Inbox
    sender_id: Id
    receipt_ids: Notation
    _doubtful: dict[bytes, str] = field(default_factory=dict)

    def receipt_of(self, message: Message, text: str) -> Receipt | None:
        """What a receipt says, or None when it says nothing of a message of ours."""
        told = read_receipt(message, text, self.receipt_ids)
        if told is None:
            return None
        # Told again, it says the same of the same message.
        event_id = f"{told.ref}:{told.state}:{told.done_at or ''}"
        return Receipt(self.sender_id, event_id, told.state, told.ref, None, told.reason, told.detail, told.done_at)

    def message_of(self, message: Message, text: str) -> Inbound:
        """What somebody wrote to us."""
        from_ = numbered(message.source, message.source_ton)
        to = numbered(message.destination, message.destination_ton)
        name = self._doubtful.pop(_fingerprint(from_, to, text), None) or new_id().hex()
        return Inbound(self.sender_id, name, from_, to, text)

    def doubt(self, news: Sequence[News]) -> None:
        """These may be stored or not, and will come again."""
        for one in news:
            if isinstance(one, Inbound) and len(self._doubtful) < _DOUBTFUL_LIMIT:
                self._doubtful[_fingerprint(one.from_, one.to, one.text)] = one.event_id


class _Held(NamedTuple):
    """News that waits to be stored, and the units that are acknowledged with it."""

    news: News | None
    units: tuple[Pdu, ...]


@dataclass(slots=True)
class _Part:
    """One part of a long message, and the units it came in: one, or more when it was delivered again."""

    message: Message
    text: str
    units: list[Pdu]


@dataclass(slots=True)
class _Partial:
    """The parts that have come of one long message, by number."""

    since: float
    parts: dict[int, _Part] = field(default_factory=dict)


class Incoming:
    """The deliver_sm and data_sm of one session; `write` sends the answers."""

    def __init__(self, desk: Desk, timers: Timers, write: Callable[[bytes], None]) -> None:
        self._desk = desk
        self._timers = timers
        self._write = write
        self._waiting: list[_Held] = []
        self._partial: dict[tuple[str, str, int, int], _Partial] = {}
        self._storing: asyncio.Task[None] | None = None
        self._has_ended = False

    @property
    def is_busy(self) -> bool:
        """Whether something is not acknowledged yet."""
        return self._storing is not None or bool(self._partial)

    def take(self, unit: Pdu, now: float) -> None:
        """Takes one deliver_sm or data_sm; it is answered later, when it is stored."""
        try:
            message = pdu.read_message(unit)
        except Garbled:
            # Never readable, however often it comes.
            self._answer((unit,), statuses.NEVER)
            return
        if len(self._waiting) >= WAITING_LIMIT:
            self._answer((unit,), statuses.TRY_AGAIN)
            return
        if is_marked(message):
            self._hold(_Held(self._desk.receipt_of(message, words_of(message)), (unit,)))
            return
        place = place_of(message)
        part = _Part(message, text_of(message), [unit])
        if place is not None and len(self._partial) < _PARTIAL_LIMIT:
            self._lay_by(part, place, now)
        elif is_meant(message, part.text):
            self._hold(_Held(self._desk.receipt_of(message, part.text), (unit,)))
        else:
            self._hold_alone(part)

    def check(self, now: float) -> None:
        """Lets go of parts that have waited long enough for the others: a centre may deliver them one by one."""
        for key, partial in list(self._partial.items()):
            if now - partial.since > self._timers.assemble:
                del self._partial[key]
                for part in partial.parts.values():
                    self._hold_alone(part)

    def end(self) -> None:
        """The session is gone: the centre delivers again what was not answered."""
        self._has_ended = True
        self._partial.clear()

    def _lay_by(self, part: _Part, place: Place, now: float) -> None:
        """Keeps a part until the others have come."""
        key = (part.message.source, part.message.destination, place.reference, place.total)
        partial = self._partial.setdefault(key, _Partial(now))
        known = partial.parts.setdefault(place.number, part)
        if known.text != part.text:
            # Another message under the same reference: neither may swallow the other.
            self._hold_alone(part)
        elif known is not part:
            known.units += part.units
        elif len(partial.parts) == place.total:
            del self._partial[key]
            parts = [partial.parts[number] for number in sorted(partial.parts)]
            whole = _Part(parts[0].message, "".join(one.text for one in parts), [u for one in parts for u in one.units])
            self._hold_alone(whole)

    def _hold_alone(self, part: _Part) -> None:
        self._hold(_Held(self._desk.message_of(part.message, part.text), tuple(part.units)))

    def _hold(self, held: _Held) -> None:
        self._waiting.append(held)
        if self._storing is None:
            self._storing = asyncio.get_running_loop().create_task(self._store())
            self._storing.add_done_callback(self._stored)

    async def _store(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            news = [held.news for held in group if held.news is not None]
            status = statuses.TRY_AGAIN
            try:
                async with asyncio.timeout(self._timers.store):
                    await self._desk.inbox.put(news)
                status = statuses.OK
            except (Unavailable, TimeoutError):
                pass
            finally:
                if status or self._has_ended:
                    self._desk.doubt(news)
                self._answer([unit for held in group for unit in held.units], status)

    def _stored(self, storing: asyncio.Task[None]) -> None:
        self._storing = None
        if self._waiting and not self._has_ended:
            self._hold(self._waiting.pop())
        if not storing.cancelled():
            storing.result()  # a surprise is the loop's to report

    def _answer(self, units: Sequence[Pdu], status: int) -> None:
        if not self._has_ended:
            # A resp has a body of one empty string, the unused message_id (§4.6.2, §4.7.2).
            self._write(b"".join(pdu.unit(u.command | pdu.IS_RESPONSE, u.sequence, b"\0", status) for u in units))


def numbered(address: str, kind: int) -> str:
    """An address as we write it: with a plus when it is an international number, which some centres do not say."""
    if address.isascii() and address.isdigit() and (kind == _INTERNATIONAL or (len(address) > 9 and address[0] != "0")):
        return f"+{address}"
    return address


def _fingerprint(from_: str, to: str, text: str) -> bytes:
    return hashlib.sha256(f"{from_}\0{to}\0{text}".encode("utf-8", "replace")).digest()
