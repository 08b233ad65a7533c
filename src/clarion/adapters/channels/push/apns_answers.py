"""What APNs says about a message, as outcomes: its table of reasons, whole.

Source: developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns. Where to read
next: `apns`, `docs/providers.md`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.domain.outcome import Outcome, Reason, Verdict

EXPIRED_TOKEN: Final = "ExpiredProviderToken"  # noqa: S105 - the name of a fault
_RETRY, _FAILED = Verdict.RETRY, Verdict.FAILED

OUTCOMES: Final[dict[str, tuple[Verdict, Reason]]] = {
    # 410: the one word that a token is dead
    "Unregistered": (_FAILED, Reason.ADDRESS_UNKNOWN),
    "ExpiredToken": (_FAILED, Reason.ADDRESS_UNKNOWN),
    # Another app's token, or one of the other environment: a sender set up wrongly must not retire a whole audience.
    "DeviceTokenNotForTopic": (_FAILED, Reason.ADDRESS_REJECTED),
    "BadDeviceToken": (_FAILED, Reason.ADDRESS_REJECTED),
    "MissingDeviceToken": (_FAILED, Reason.ADDRESS_REJECTED),
    "BadPath": (_FAILED, Reason.ADDRESS_REJECTED),
    "PayloadTooLarge": (_FAILED, Reason.TOO_BIG),
    "PayloadEmpty": (_FAILED, Reason.MESSAGE_REJECTED),
    "BadCollapseId": (_FAILED, Reason.MESSAGE_REJECTED),
    "BadExpirationDate": (_FAILED, Reason.MESSAGE_REJECTED),
    "BadMessageId": (_FAILED, Reason.MESSAGE_REJECTED),
    "BadPriority": (_FAILED, Reason.MESSAGE_REJECTED),
    "DuplicateHeaders": (_FAILED, Reason.MESSAGE_REJECTED),
    "InvalidPushType": (_FAILED, Reason.MESSAGE_REJECTED),
    "MethodNotAllowed": (_FAILED, Reason.MESSAGE_REJECTED),
    # The sender's key, or what it may be used for: no message is to blame.
    EXPIRED_TOKEN: (_RETRY, Reason.AUTH_FAILED),
    "InvalidProviderToken": (_RETRY, Reason.AUTH_FAILED),
    "MissingProviderToken": (_RETRY, Reason.AUTH_FAILED),
    "UnrelatedKeyIdInToken": (_RETRY, Reason.AUTH_FAILED),
    "BadEnvironmentKeyIdInToken": (_RETRY, Reason.AUTH_FAILED),
    "BadCertificate": (_RETRY, Reason.AUTH_FAILED),
    "BadCertificateEnvironment": (_RETRY, Reason.AUTH_FAILED),
    "Forbidden": (_RETRY, Reason.AUTH_FAILED),
    "BadTopic": (_RETRY, Reason.AUTH_FAILED),
    "MissingTopic": (_RETRY, Reason.AUTH_FAILED),
    "TopicDisallowed": (_RETRY, Reason.AUTH_FAILED),
    # not now
    "TooManyProviderTokenUpdates": (_RETRY, Reason.THROTTLED),
    "ServiceUnavailable": (_RETRY, Reason.THROTTLED),
    "Shutdown": (_RETRY, Reason.CONNECTION_LOST),
    "IdleTimeout": (_RETRY, Reason.CONNECTION_LOST),
    "TooManyRequests": (_RETRY, Reason.DEFERRED),
    "InternalServerError": (_RETRY, Reason.DEFERRED),
}
"""By APNs's reason. `TooManyRequests` is about one device, not about us; what was answered by 500 was not accepted."""


def outcome(answer: Answer) -> Outcome:
    """What became of one message."""
    if answer.status == 200:
        name = answer.headers.get("apns-id", "")
        return Outcome.sent(f"accepted as {name if name.isprintable() else plain(name)}")
    reason, since = read_fault(answer.body)
    known = OUTCOMES.get(reason)
    if known is None:
        return refusal(answer, plain(reason))
    return Outcome(*known, f"HTTP {answer.status} {reason}{since}")


def read_fault(body: bytes) -> tuple[str, str]:
    """The reason in an answer or a GOAWAY, and since when a token is known to be dead; empty when it says none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(told, dict) or not isinstance(told.get("reason"), str):
        return "", ""
    stamp = told.get("timestamp")
    if not isinstance(stamp, int) or not 0 < stamp < 2**53:
        return told["reason"], ""
    try:
        return told["reason"], f" since {datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec='seconds')}"
    except (ValueError, OverflowError, OSError):
        return told["reason"], ""
