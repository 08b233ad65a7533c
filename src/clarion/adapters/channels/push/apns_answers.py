"""What APNs says about a message, as outcomes: its table of reasons, whole.

Source: developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns. Where to read
next: `apns`, `docs/providers.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.adapters.channels.json_reading import json_object, text_of
from clarion.domain.outcome import Outcome, Reason, Verdict

EXPIRED_TOKEN: Final = "ExpiredProviderToken"  # noqa: S105 - the name of a fault
_LATEST_MS: Final = 10**14
_RETRY, _FAILED = Verdict.RETRY, Verdict.FAILED

OUTCOMES: Final[dict[str, tuple[Verdict, Reason, str]]] = {
    # 410: the one word that a token is dead
    "Unregistered": (_FAILED, Reason.ADDRESS_UNKNOWN, "The device token is inactive for the topic"),
    "ExpiredToken": (_FAILED, Reason.ADDRESS_UNKNOWN, "The device token has expired"),
    # Another app's token, or one of the other environment: a sender set up wrongly must not retire a whole audience.
    "DeviceTokenNotForTopic": (_FAILED, Reason.ADDRESS_REJECTED, "The device token is of another app"),
    "BadDeviceToken": (_FAILED, Reason.ADDRESS_REJECTED, "The device token is invalid, or of the other environment"),
    "MissingDeviceToken": (_FAILED, Reason.ADDRESS_REJECTED, "The request names no device"),
    "BadPath": (_FAILED, Reason.ADDRESS_REJECTED, "The request's path is wrong"),
    "PayloadTooLarge": (_FAILED, Reason.TOO_BIG, "The payload is larger than 4,096 bytes"),
    "PayloadEmpty": (_FAILED, Reason.MESSAGE_REJECTED, "The payload is empty"),
    "BadCollapseId": (_FAILED, Reason.MESSAGE_REJECTED, "The collapse id is too long"),
    "BadExpirationDate": (_FAILED, Reason.MESSAGE_REJECTED, "The expiration is wrong"),
    "BadMessageId": (_FAILED, Reason.MESSAGE_REJECTED, "The apns-id is wrong"),
    "BadPriority": (_FAILED, Reason.MESSAGE_REJECTED, "The priority is wrong"),
    "DuplicateHeaders": (_FAILED, Reason.MESSAGE_REJECTED, "A header was repeated"),
    "InvalidPushType": (_FAILED, Reason.MESSAGE_REJECTED, "The push type is wrong"),
    "MethodNotAllowed": (_FAILED, Reason.MESSAGE_REJECTED, "The method was not POST"),
    # The sender's key, or what it may be used for: no message is to blame.
    EXPIRED_TOKEN: (_RETRY, Reason.AUTH_FAILED, "The provider token is older than an hour; another one is tried first"),
    "InvalidProviderToken": (_RETRY, Reason.AUTH_FAILED, "The provider token's signature or claims are not good"),
    "MissingProviderToken": (_RETRY, Reason.AUTH_FAILED, "There was no provider token"),
    "UnrelatedKeyIdInToken": (_RETRY, Reason.AUTH_FAILED, "The key is not that of the connection's first request"),
    "BadEnvironmentKeyIdInToken": (_RETRY, Reason.AUTH_FAILED, "The key is for the other environment"),
    "BadCertificate": (_RETRY, Reason.AUTH_FAILED, "The certificate is bad"),
    "BadCertificateEnvironment": (_RETRY, Reason.AUTH_FAILED, "The certificate is for the other environment"),
    "Forbidden": (_RETRY, Reason.AUTH_FAILED, "The action is not allowed"),
    "BadTopic": (_RETRY, Reason.AUTH_FAILED, "The topic is invalid"),
    "MissingTopic": (_RETRY, Reason.AUTH_FAILED, "The topic is missing"),
    "TopicDisallowed": (_RETRY, Reason.AUTH_FAILED, "The key may not push to this topic"),
    # not now
    "TooManyProviderTokenUpdates": (_RETRY, Reason.THROTTLED, "The provider token changes too often"),
    "ServiceUnavailable": (_RETRY, Reason.THROTTLED, "The service is unavailable"),
    "Shutdown": (_RETRY, Reason.CONNECTION_LOST, "The server is shutting down"),
    "IdleTimeout": (_RETRY, Reason.CONNECTION_LOST, "The connection was idle"),
    "TooManyRequests": (_RETRY, Reason.DEFERRED, "Too many messages to this device at once"),
    "InternalServerError": (_RETRY, Reason.DEFERRED, "An internal error"),
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
    return Outcome(known[0], known[1], f"HTTP {answer.status} {reason}{since}")


def read_fault(body: bytes) -> tuple[str, str]:
    """The reason in an answer or a GOAWAY, and since when a token is known to be dead; empty when it says none."""
    told = json_object(body)
    reason, stamp = text_of(told.get("reason")), told.get("timestamp")
    if not reason or not isinstance(stamp, int) or not 0 < stamp < _LATEST_MS:
        return reason, ""
    return reason, f" since {datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec='seconds')}"
