"""What one send attempt came to, and why. Expected outcomes are values; nothing here is an exception.

`Verdict` says what happens to the delivery next, `Reason` says why from one closed list that the API, the reports and
the console share. Where to read next: `delivery` for the states a verdict leads to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """What a send attempt came to."""

    SENT = "sent"
    """The other side took responsibility for the message."""
    FAILED = "failed"
    """It never will be sent: a definite, permanent refusal."""
    RETRY = "retry"
    """Definitely not sent, and worth trying again."""
    UNKNOWN = "unknown"
    """The last byte was written and no answer is known: sent or not, nobody can tell."""


class Reason(StrEnum):
    """Why a delivery stands where it stands. Closed: adding one means adding it to `docs/delivery.md`."""

    # skipped before sending
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    CONTACT_DELETED = "contact_deleted"
    CONTACT_BLOCKED = "contact_blocked"
    INVALID_ADDRESS = "invalid_address"
    RENDER_FAILED = "render_failed"
    TEMPLATE_TOO_EXPENSIVE = "template_too_expensive"
    TOO_LONG = "too_long"
    UNROUTABLE = "unroutable"
    LANDLINE = "landline"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    NO_ORIGINATOR = "no_originator"
    # refused by the other side
    ADDRESS_UNKNOWN = "address_unknown"
    ADDRESS_REJECTED = "address_rejected"
    MESSAGE_REJECTED = "message_rejected"
    POLICY_REJECTED = "policy_rejected"
    MAILBOX_FULL = "mailbox_full"
    TOO_BIG = "too_big"
    UNSUPPORTED_ADDRESS = "unsupported_address"
    UNREACHABLE = "unreachable"
    # not now
    PACED = "paced"
    DEFERRED = "deferred"
    THROTTLED = "throttled"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_LOST = "connection_lost"
    AUTH_FAILED = "auth_failed"
    TLS_FAILED = "tls_failed"
    DEADLINE_PASSED = "deadline_passed"
    # nobody can tell
    NO_ANSWER = "no_answer"
    WORKER_LOST = "worker_lost"
    # our own fault
    QUARANTINED = "quarantined"
    # told by a person
    RUN_STOPPED = "run_stopped"
    ANSWERED = "answered"


REPLY_LIMIT = 500
"""Characters of the other side's answer that are kept."""


class Outcome(NamedTuple):
    """One attempt's result: the verdict, why, and the other side's own words (at most `REPLY_LIMIT` characters).

    `refs` are the names the other side gave to what it accepted, one for each part, by which later news of it comes;
    none when news comes with our own id.
    """

    verdict: Verdict
    reason: Reason | None = None
    reply: str = ""
    refs: tuple[str, ...] = ()

    @classmethod
    def sent(cls, reply: str, refs: tuple[str, ...] = ()) -> Outcome:
        """The other side accepted the message with these words."""
        return cls(Verdict.SENT, None, reply[:REPLY_LIMIT], refs)

    @classmethod
    def failed(cls, reason: Reason, reply: str = "") -> Outcome:
        """A permanent refusal."""
        return cls(Verdict.FAILED, reason, reply[:REPLY_LIMIT])

    @classmethod
    def retry(cls, reason: Reason, reply: str = "") -> Outcome:
        """Not sent, and worth another try."""
        return cls(Verdict.RETRY, reason, reply[:REPLY_LIMIT])

    @classmethod
    def unknown(cls, reason: Reason, reply: str = "") -> Outcome:
        """Sent or not, nobody can tell."""
        return cls(Verdict.UNKNOWN, reason, reply[:REPLY_LIMIT])
