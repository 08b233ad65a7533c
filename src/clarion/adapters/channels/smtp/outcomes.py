"""From a reply to an outcome: the one place that decides what an SMTP refusal means for a message.

4xx is worth another try, 5xx is final; the enhanced code (RFC 3463) says why, and the phase says who was refused: at
MAIL it is the sender, at RCPT the recipient, at DATA and after the dot the message. Where next: `docs/delivery.md`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from clarion.adapters.channels.smtp.replies import Reply
from clarion.domain.outcome import Outcome, Reason


class Phase(StrEnum):
    """What a reply answers."""

    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "end of data"


_LOGIN_CODES: Final = frozenset({530, 534, 535, 538})
"""RFC 4954 §6: the relay wants a login, or a better one. Our account there is broken, not the recipient's address."""

_NO_SUCH_ADDRESS: Final = frozenset({1, 6, 10})
"""RFC 3463 §3.2 and RFC 7505: no such mailbox, one that moved away for good, a domain that takes no mail at all."""

_BY_ENHANCED: Final[tuple[tuple[int, int | None, Reason], ...]] = (
    (2, 2, Reason.MAILBOX_FULL),
    (2, 3, Reason.TOO_BIG),
    (2, None, Reason.ADDRESS_REJECTED),
    (3, 4, Reason.TOO_BIG),
    (3, None, Reason.MESSAGE_REJECTED),
    (6, 7, Reason.UNSUPPORTED_ADDRESS),
    (6, None, Reason.MESSAGE_REJECTED),
    (7, None, Reason.POLICY_REJECTED),
)
"""(subject, detail or any, reason); subjects 1 and 4 depend on the phase. 5 says nothing: some large mailbox providers
answer `550 5.5.0` for an unknown user."""

_BY_CODE: Final[dict[tuple[Phase, int], Reason]] = {
    (Phase.MAIL, 552): Reason.TOO_BIG,
    (Phase.MAIL, 555): Reason.MESSAGE_REJECTED,
    (Phase.RCPT, 500): Reason.MESSAGE_REJECTED,
    (Phase.RCPT, 502): Reason.MESSAGE_REJECTED,
    (Phase.RCPT, 504): Reason.MESSAGE_REJECTED,
    (Phase.RCPT, 552): Reason.MAILBOX_FULL,
    (Phase.RCPT, 554): Reason.POLICY_REJECTED,
    (Phase.DATA, 552): Reason.TOO_BIG,
    (Phase.DOT, 552): Reason.TOO_BIG,
}

_BY_PHASE: Final[dict[Phase, Reason]] = {
    Phase.MAIL: Reason.POLICY_REJECTED,
    Phase.RCPT: Reason.ADDRESS_REJECTED,
    Phase.DATA: Reason.MESSAGE_REJECTED,
    Phase.DOT: Reason.MESSAGE_REJECTED,
}


def refusal(phase: Phase, reply: Reply) -> Outcome:
    """What a 4xx or 5xx answer to MAIL, RCPT, DATA or the dot means for the message."""
    if reply.code in _LOGIN_CODES and phase is not Phase.DOT:
        return Outcome.retry(Reason.AUTH_FAILED, reply.text)
    if reply.code == 421:
        return Outcome.retry(Reason.THROTTLED, reply.text)
    # 503 before the dot says that we and the server are out of step, nothing about the message.
    if reply.code < 500 or reply.code == 503:
        return Outcome.retry(Reason.DEFERRED, reply.text)
    return Outcome.failed(_reason(phase, reply), reply.text)


def _reason(phase: Phase, reply: Reply) -> Reason:
    if reply.enhanced is not None:
        _, subject, detail = reply.enhanced
        if subject == 1 and detail in _NO_SUCH_ADDRESS and phase in {Phase.RCPT, Phase.DOT}:
            return Reason.ADDRESS_UNKNOWN
        if subject in {1, 4} and phase in {Phase.RCPT, Phase.DOT}:
            return Reason.ADDRESS_REJECTED
        for known_subject, known_detail, reason in _BY_ENHANCED:
            if subject == known_subject and known_detail in {None, detail}:
                return reason
    return _BY_CODE.get((phase, reply.code), _BY_PHASE.get(phase, Reason.MESSAGE_REJECTED))


_OPENING: Final[dict[Phase, Reason]] = {
    Phase.STARTTLS: Reason.TLS_FAILED,
    Phase.AUTH: Reason.AUTH_FAILED,
}


def refused_opening(phase: Phase, reply: Reply) -> Outcome:
    """What a refusal before the first message means for every message of the relay: none of them is to blame."""
    reason = _OPENING.get(phase, Reason.CONNECTION_FAILED)
    if reply.code in _LOGIN_CODES:
        reason = Reason.AUTH_FAILED
    elif reply.code == 421 and phase is not Phase.AUTH:
        reason = Reason.THROTTLED
    return Outcome.retry(reason, reply.text)
