"""Delivery receipts as message centres really write them, read into the one shape that receipts have here.

The specification leaves the text of a receipt to the centre and shows one as an example (SMPP 3.4, Appendix B); the
field agrees on its words, not on case, order, lengths or the notation of ids. Optional parameters, where a centre sends
them, say the same in a defined form and win. Pure. Where to read next: `incoming`, `docs/smpp.md` for the layouts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from clarion.adapters.channels.smpp.pdu import MESSAGE_STATE, NETWORK_ERROR_CODE, RECEIPTED_MESSAGE_ID, Message, read_id
from clarion.application.ports.receipts import ReceiptState
from clarion.domain.outcome import Reason
from clarion.domain.providers.smpp import Notation

_ID_LIMIT: Final = 64
"""Characters of a message_id (§5.2.23); what a centre writes beyond them is cut off here and there alike."""
_KIND: Final = 0x3C
"""§5.2.12: the bits of esm_class that say what a deliver_sm is."""
_RECEIPTS: Final = frozenset({0x04, 0x20})
"""A receipt, or a note on the way (intermediate delivery notification)."""

_USUAL: Final = re.compile(
    r"id:(\S+) sub:\d+ dlvrd:\d+ submit date:\d+ done date:(\d+) stat:([A-Z]+) err:\w+(?= text:| ?$)", re.IGNORECASE
)
"""Appendix B to the letter, which is what nearly all receipts are."""
_ID: Final = re.compile(r"(?:^|\s)(?:message[ _]?)?id\s*:\s*([^\s:,;]{1,64})(?=[\s,;]|$)", re.IGNORECASE)
_STATE: Final = re.compile(r"\bstat(?:e|us)?\s*:\s*([a-z_]{2,20})", re.IGNORECASE)
_ERROR: Final = re.compile(r"\berr(?:or)?(?:[ _]?code)?\s*:\s*(\w{1,20})", re.IGNORECASE)
_DONE: Final = re.compile(r"\bdone[ _]?date\s*:\s*(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?|\d{6,17})", re.IGNORECASE)
_SUBMITTED: Final = re.compile(r"\bsubmit[ _]?date\s*:", re.IGNORECASE)
_TEXT: Final = re.compile(r"\btext\s*:", re.IGNORECASE)
_LAYOUTS: Final = (
    (10, "%y%m%d%H%M"),
    (12, "%y%m%d%H%M%S"),
    (12, "%Y%m%d%H%M"),
    (14, "%Y%m%d%H%M%S"),
)
"""Dates by their number of digits; a tenth of a second and an offset (§7.1.1) may follow twelve."""

_ACCEPTED, _DELIVERED, _FAILED = ReceiptState.ACCEPTED, ReceiptState.DELIVERED, ReceiptState.FAILED
State = tuple[ReceiptState, Reason | None]

_BY_NUMBER: Final[dict[int, State]] = {
    0: (_ACCEPTED, None),
    1: (_ACCEPTED, None),
    2: (_DELIVERED, None),
    3: (_FAILED, Reason.UNREACHABLE),
    4: (_FAILED, Reason.POLICY_REJECTED),
    5: (_FAILED, Reason.ADDRESS_REJECTED),
    6: (_ACCEPTED, None),
    7: (_ACCEPTED, None),
    8: (_FAILED, Reason.MESSAGE_REJECTED),
    9: (_FAILED, Reason.POLICY_REJECTED),
}
"""message_state of §5.2.28: enroute, delivered, expired, deleted, undeliverable, accepted, unknown, rejected; with 0,
scheduled, and 9, skipped, of SMPP 5.0. `unknown` says that the centre does not know, not that it failed."""

_BY_WORD: Final[tuple[tuple[str, int], ...]] = (
    ("DELIV", 2),
    ("DELETED", 4),
    ("EXPIR", 3),
    ("UNDEL", 5),
    ("FAIL", 5),
    ("ACCEP", 6),
    ("UNKNOWN", 7),
    ("REJEC", 8),
    ("ENROUTE", 1),
    ("BUFFER", 1),
    ("QUEUED", 1),
    ("SENT", 1),
    ("SCHEDUL", 0),
    ("SKIP", 9),
)
"""How a state's word begins, in Appendix B's spelling (DELIVRD, UNDELIV, ACCEPTD, REJECTD) or written out."""

_GSM_ERRORS: Final[dict[int, Reason]] = {
    1: Reason.ADDRESS_UNKNOWN,
    9: Reason.ADDRESS_REJECTED,
    11: Reason.ADDRESS_REJECTED,
    13: Reason.POLICY_REJECTED,
    27: Reason.UNREACHABLE,
    32: Reason.MAILBOX_FULL,
    33: Reason.MAILBOX_FULL,
}
"""network_error_code of a GSM network (type 3, §5.3.2.31), by the errors of 3GPP TS 29.002 §17.6.6: unknown subscriber,
illegal subscriber, no such service, barred, absent, delivery failure (most often a full memory), list of the waiting
full. The
numbers after `err:` are each centre's own and prove nothing."""


class Told(NamedTuple):
    """What a receipt says: of which message, what, why, the centre's words, and when by the centre's clock."""

    ref: str
    state: ReceiptState
    reason: Reason | None
    detail: str
    done_at: datetime | None


def is_marked(message: Message) -> bool:
    """Whether a deliver_sm says of itself that it tells of a message of ours."""
    kind = message.esm_class & _KIND
    if kind:
        return kind in _RECEIPTS
    return RECEIPTED_MESSAGE_ID in message.optional and MESSAGE_STATE in message.optional


def is_meant(message: Message, text: str) -> bool:
    """Whether a deliver_sm that is not marked has all the words of Appendix B: some centres mark nothing.

    What people write themselves would have to name an id that we know.
    """
    if message.esm_class & _KIND:
        return False
    return all(pattern.search(text) for pattern in (_ID, _STATE, _SUBMITTED, _DONE))


def read_receipt(message: Message, text: str, notation: Notation) -> Told | None:
    """What a receipt says, or None when it names no message or no state that we know."""
    if usual := _USUAL.match(text):
        head = text[: usual.end()]
        given, done, word = usual.groups()
    else:
        head = _TEXT.split(text, maxsplit=1)[0]
        given, done, word = (_first(pattern, head) for pattern in (_ID, _DONE, _STATE))
    number = _number_of(word)
    if tags := message.optional:
        given = read_id(tags.get(RECEIPTED_MESSAGE_ID, b"")) or given
        told = tags.get(MESSAGE_STATE, b"")
        number = told[0] if len(told) == 1 and told[0] in _BY_NUMBER else number
    if not given or number is None:
        return None
    state, reason = _BY_NUMBER[number]
    if state is _FAILED:
        reason = _network_reason(message) or reason
    return Told(canonical(given, notation), state, reason, head.strip(), moment(done))


def canonical(given: str, notation: Notation) -> str:
    """An id in the form in which ids are compared: without leading zeros, letters small, numbers as decimals.

    Centres answer a submit_sm with `0000AB12` and write `id:43794` in its receipt.
    """
    given = given.strip().lower()[:_ID_LIMIT]
    if notation is not Notation.AS_IS:
        try:
            return str(int(given, 16 if notation is Notation.HEX else 10))
        except ValueError:
            pass
    return given.lstrip("0") or given


@lru_cache(maxsize=1024)  # receipts of the same minute bear the same digits
def moment(digits: str) -> datetime | None:
    """When something was done; the centre's clock says no zone and is read as UTC. None when it cannot be read."""
    packed = re.sub(r"\D", "", digits)
    for length, layout in _LAYOUTS:
        if len(packed) == length or (length == 12 and len(packed) in {13, 15, 16}):
            try:
                return datetime.strptime(packed[:length], layout).replace(tzinfo=UTC)
            except ValueError:
                continue
    if len(packed) == 10:
        return datetime.fromtimestamp(int(packed), UTC)
    return None


@lru_cache(maxsize=64)
def _number_of(word: str) -> int | None:
    word = word.upper()
    return next((number for start, number in _BY_WORD if word.startswith(start)), None)


def _network_reason(message: Message) -> Reason | None:
    code = message.optional.get(NETWORK_ERROR_CODE, b"")
    return _GSM_ERRORS.get(int.from_bytes(code[1:], "big")) if len(code) == 3 and code[0] == 3 else None


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
