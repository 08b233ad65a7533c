"""What APNs asks of a request, as Apple documents it: headers, payload, and the status of every fault.

Sources: developer.apple.com, "Sending notification requests to APNs" and "Handling notification responses from APNs".
"""

from __future__ import annotations

import json
import re
from typing import Final

STATUSES: Final = {
    400: "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic"
    " DuplicateHeaders IdleTimeout InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed",
    403: "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden InvalidProviderToken"
    " MissingProviderToken UnrelatedKeyIdInToken BadEnvironmentKeyIdInToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "ExpiredToken Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyProviderTokenUpdates TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable Shutdown",
}
STATUS_OF: Final = {reason: status for status, reasons in STATUSES.items() for reason in reasons.split()}
"""The status of every reason (developer.apple.com, "Handling notification responses from APNs")."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PUSH_TYPES: Final = {"alert": {"10", "5", "1"}, "background": {"5"}}
_PAYLOAD_LIMIT: Final = 4096
_COLLAPSE_LIMIT: Final = 64


def header_fault(headers: dict[str, str], topic: str) -> str:
    priorities = _PUSH_TYPES.get(headers.get("apns-push-type", ""))
    if headers.get("apns-topic") != topic:
        return "TopicDisallowed" if "apns-topic" in headers else "MissingTopic"
    if priorities is None:
        return "InvalidPushType"
    if headers.get("apns-priority") not in priorities:
        return "BadPriority"
    if not _UUID.fullmatch(headers.get("apns-id", "")):
        return "BadMessageId"
    if not 0 < len(headers.get("apns-collapse-id", "").encode()) <= _COLLAPSE_LIMIT:
        return "BadCollapseId"
    return "" if headers.get("apns-expiration", "").isdigit() else "BadExpirationDate"


def payload_fault(headers: dict[str, str], body: bytes) -> str:
    if len(body) > _PAYLOAD_LIMIT:
        return "PayloadTooLarge"
    try:
        aps = json.loads(body)["aps"]
    except (ValueError, KeyError, TypeError):
        return "PayloadEmpty"
    if headers["apns-push-type"] == "background":
        return "" if aps == {"content-available": 1} else "InvalidPushType"
    return "" if "alert" in aps else "PayloadEmpty"
