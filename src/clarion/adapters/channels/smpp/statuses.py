"""What a command_status means: the one table from SMPP 3.4 §5.1.3 to verdict and reason.

`answered` is for a message, `refused_bind` for the login. A status that the specification reserves, or leaves to
vendors (0x400 to 0x4FF), says that the message was not taken but not that it never will be: it is tried again, within
the time a delivery has. The same table with its words is in `docs/smpp.md`; a test keeps the two alike.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from clarion.domain.outcome import Outcome, Reason, Verdict

OK: Final = 0x00
INVALID_COMMAND_LENGTH: Final = 0x02
INVALID_COMMAND: Final = 0x03
WRONG_BIND: Final = 0x04
ALREADY_BOUND: Final = 0x05
SYSTEM_ERROR: Final = 0x08
QUEUE_FULL: Final = 0x14
THROTTLED: Final = 0x58
TRY_AGAIN: Final = 0x64
"""ESME_RX_T_APPN: our answer to what we could not store; the centre delivers it again."""
NEVER: Final = 0x65
"""ESME_RX_P_APPN: our answer to what nobody can read; the centre does not deliver it again."""

TOO_FAST: Final = frozenset({QUEUE_FULL, THROTTLED})
"""Answered by slowing down."""


class Meaning(NamedTuple):
    """What a status means for a message."""

    name: str
    verdict: Verdict
    reason: Reason


_RETRY, _FAILED = Verdict.RETRY, Verdict.FAILED

MEANINGS: Final[dict[int, Meaning]] = {
    0x01: Meaning("ESME_RINVMSGLEN", _FAILED, Reason.TOO_BIG),
    0x02: Meaning("ESME_RINVCMDLEN", _FAILED, Reason.MESSAGE_REJECTED),
    0x03: Meaning("ESME_RINVCMDID", _FAILED, Reason.MESSAGE_REJECTED),
    0x04: Meaning("ESME_RINVBNDSTS", _RETRY, Reason.CONNECTION_LOST),
    0x05: Meaning("ESME_RALYBND", _RETRY, Reason.CONNECTION_FAILED),
    0x06: Meaning("ESME_RINVPRTFLG", _FAILED, Reason.MESSAGE_REJECTED),
    0x07: Meaning("ESME_RINVREGDLVFLG", _FAILED, Reason.MESSAGE_REJECTED),
    0x08: Meaning("ESME_RSYSERR", _RETRY, Reason.DEFERRED),
    0x0A: Meaning("ESME_RINVSRCADR", _FAILED, Reason.POLICY_REJECTED),
    0x0B: Meaning("ESME_RINVDSTADR", _FAILED, Reason.ADDRESS_REJECTED),
    0x0C: Meaning("ESME_RINVMSGID", _FAILED, Reason.MESSAGE_REJECTED),
    0x0D: Meaning("ESME_RBINDFAIL", _RETRY, Reason.AUTH_FAILED),
    0x0E: Meaning("ESME_RINVPASWD", _RETRY, Reason.AUTH_FAILED),
    0x0F: Meaning("ESME_RINVSYSID", _RETRY, Reason.AUTH_FAILED),
    0x11: Meaning("ESME_RCANCELFAIL", _FAILED, Reason.MESSAGE_REJECTED),
    0x13: Meaning("ESME_RREPLACEFAIL", _FAILED, Reason.MESSAGE_REJECTED),
    0x14: Meaning("ESME_RMSGQFUL", _RETRY, Reason.THROTTLED),
    0x15: Meaning("ESME_RINVSERTYP", _FAILED, Reason.POLICY_REJECTED),
    0x33: Meaning("ESME_RINVNUMDESTS", _FAILED, Reason.MESSAGE_REJECTED),
    0x34: Meaning("ESME_RINVDLNAME", _FAILED, Reason.MESSAGE_REJECTED),
    0x40: Meaning("ESME_RINVDESTFLAG", _FAILED, Reason.MESSAGE_REJECTED),
    0x42: Meaning("ESME_RINVSUBREP", _FAILED, Reason.MESSAGE_REJECTED),
    0x43: Meaning("ESME_RINVESMCLASS", _FAILED, Reason.MESSAGE_REJECTED),
    0x44: Meaning("ESME_RCNTSUBDL", _FAILED, Reason.MESSAGE_REJECTED),
    0x45: Meaning("ESME_RSUBMITFAIL", _RETRY, Reason.DEFERRED),
    0x48: Meaning("ESME_RINVSRCTON", _FAILED, Reason.POLICY_REJECTED),
    0x49: Meaning("ESME_RINVSRCNPI", _FAILED, Reason.POLICY_REJECTED),
    0x50: Meaning("ESME_RINVDSTTON", _FAILED, Reason.ADDRESS_REJECTED),
    0x51: Meaning("ESME_RINVDSTNPI", _FAILED, Reason.ADDRESS_REJECTED),
    0x53: Meaning("ESME_RINVSYSTYP", _RETRY, Reason.AUTH_FAILED),
    0x54: Meaning("ESME_RINVREPFLAG", _FAILED, Reason.MESSAGE_REJECTED),
    0x55: Meaning("ESME_RINVNUMMSGS", _FAILED, Reason.MESSAGE_REJECTED),
    0x58: Meaning("ESME_RTHROTTLED", _RETRY, Reason.THROTTLED),
    0x61: Meaning("ESME_RINVSCHED", _FAILED, Reason.MESSAGE_REJECTED),
    0x62: Meaning("ESME_RINVEXPIRY", _FAILED, Reason.MESSAGE_REJECTED),
    0x63: Meaning("ESME_RINVDFTMSGID", _FAILED, Reason.MESSAGE_REJECTED),
    0x64: Meaning("ESME_RX_T_APPN", _RETRY, Reason.DEFERRED),
    0x65: Meaning("ESME_RX_P_APPN", _FAILED, Reason.MESSAGE_REJECTED),
    0x66: Meaning("ESME_RX_R_APPN", _FAILED, Reason.MESSAGE_REJECTED),
    0x67: Meaning("ESME_RQUERYFAIL", _FAILED, Reason.MESSAGE_REJECTED),
    0xC0: Meaning("ESME_RINVOPTPARSTREAM", _FAILED, Reason.MESSAGE_REJECTED),
    0xC1: Meaning("ESME_ROPTPARNOTALLWD", _FAILED, Reason.MESSAGE_REJECTED),
    0xC2: Meaning("ESME_RINVPARLEN", _FAILED, Reason.MESSAGE_REJECTED),
    0xC3: Meaning("ESME_RMISSINGOPTPARAM", _FAILED, Reason.MESSAGE_REJECTED),
    0xC4: Meaning("ESME_RINVOPTPARAMVAL", _FAILED, Reason.MESSAGE_REJECTED),
    0xFE: Meaning("ESME_RDELIVERYFAILURE", _FAILED, Reason.MESSAGE_REJECTED),
    0xFF: Meaning("ESME_RUNKNOWNERR", _RETRY, Reason.DEFERRED),
}
"""Every error status of §5.1.3, table 5-2, by number."""

_OTHER: Final = Meaning("", _RETRY, Reason.DEFERRED)

_LOGIN: Final = frozenset({0x0D, 0x0E, 0x0F, 0x53})
"""Nobody is helped by knocking again at once: RBINDFAIL is also what centres say that do not tell a password apart."""


def name_of(status: int) -> str:
    """The status in the specification's words, with its number."""
    name = MEANINGS.get(status, _OTHER).name
    return f"{name} (0x{status:02X})" if name else f"command_status 0x{status:08X}"


def answered(status: int) -> Outcome:
    """What a refusal of a message means for it; `status` is not zero."""
    meaning = MEANINGS.get(status, _OTHER)
    return Outcome(meaning.verdict, meaning.reason, name_of(status))


def refused_bind(status: int) -> Outcome:
    """What a refused bind means for every message that waits: none of them is to blame."""
    if status in _LOGIN:
        return Outcome.retry(Reason.AUTH_FAILED, name_of(status))
    if status in TOO_FAST:
        return Outcome.retry(Reason.THROTTLED, name_of(status))
    return Outcome.retry(Reason.CONNECTION_FAILED, name_of(status))
