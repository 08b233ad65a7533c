"""What each push service is given of a message: the JSON of FCM and APNs, and what is encrypted for a browser.

Pure; knows the services' limits and how they count. Never encrypts, signs or sends. Where to read next: `push_plan`
(who refuses what is too large), `adapters/channels/push`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from clarion.domain.providers import ProviderName
from clarion.rendering.push import WirePush

_json: Final = msgspec.json.Encoder().encode
_OUR_KEYS: Final = frozenset({"actionUrl", "imageUrl", "deliveryId"})
"""What apps read beside the author's own data."""
_FCM_KEYS: Final = frozenset({"from", "message_type", "notification"})
_FCM_STARTS: Final = ("google", "gcm")


class Limit(NamedTuple):
    """How much a push service takes, and how it counts."""

    service: str
    octets: int
    count: Callable[[WirePush], int]


def fcm_request(push: WirePush) -> bytes:
    """The body of `messages:send` (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).

    FCM hands a message on to Android, to APNs and to browsers: the delivery's id is the collapse key on each of them.
    """
    priority = "NORMAL" if push.is_silent else "HIGH"
    android: dict[str, Any] = {"collapse_key": push.key, "priority": priority, "ttl": f"{push.ttl_s}s"}
    apns: dict[str, Any] = {"headers": {"apns-collapse-id": push.key}}
    webpush: dict[str, Any] = {"headers": {"TTL": str(push.ttl_s)}}
    if push.is_silent:
        apns["headers"] |= {"apns-push-type": "background", "apns-priority": "5"}
        apns["payload"] = {"aps": {"content-available": 1}}
    else:
        android["notification"] = {"tag": push.key}
        webpush["notification"] = {"tag": push.key}
        if push.image_url:
            apns["payload"] = {"aps": {"mutable-content": 1}}
        if push.action_url.startswith("https://"):
            webpush["fcm_options"] = {"link": push.action_url}
    message = {"token": push.token, **_fcm_content(push), "android": android, "apns": apns, "webpush": webpush}
    return _json({"message": message})


def apns_payload(push: WirePush) -> bytes:
    """The body of a request to APNs (developer.apple.com, "Generating a remote notification").

    An alert with an image is handed to the app's notification service extension first, which fetches it.
    """
    aps: dict[str, Any] = {"content-available": 1}
    if not push.is_silent:
        aps = {"alert": _words(push)}
        if push.image_url:
            aps["mutable-content"] = 1
    return _json({"aps": aps, **push.data, **_ours(push)})


def web_payload(push: WirePush) -> bytes:
    """What a browser's service worker decrypts: `notification` holds the arguments of `showNotification`.

    With an action URL it is a declarative message too (W3C Push API), which a browser that knows these shows by itself.
    """
    notification: dict[str, Any] = {"tag": push.key, "data": {**push.data, **_ours(push)}}
    if push.is_silent:
        return _json({"silent": True, "notification": notification})
    notification |= {"title": push.title, "body": push.body}
    if push.image_url:
        notification["image"] = push.image_url
    if not push.action_url:
        return _json({"notification": notification})
    return _json({"web_push": 8030, "notification": {**notification, "navigate": push.action_url}})


LIMITS: Final[Mapping[ProviderName, Limit]] = {
    ProviderName.FCM: Limit("FCM", 4096, lambda push: len(_json(_fcm_content(push)))),
    ProviderName.APNS: Limit("APNs", 4096, lambda push: len(apns_payload(push))),
    ProviderName.WEB_PUSH: Limit("Web Push", 3993, lambda push: len(web_payload(push))),
}
"""By provider. FCM counts notification and data, keys and values; RFC 8291 §4 leaves 3993 octets of 4096 for text."""


def reserved(name: str) -> bool:
    """Whether a member of the author's data would stand in for one of the services' own, or of ours."""
    return name in _OUR_KEYS or name == "aps" or name in _FCM_KEYS or name.startswith(_FCM_STARTS)


def _fcm_content(push: WirePush) -> dict[str, Any]:
    data = {**push.data, **_ours(push)}
    content: dict[str, Any] = {"data": {name: _as_text(value) for name, value in data.items()}}
    if not push.is_silent:
        content["notification"] = _words(push) | ({"image": push.image_url} if push.image_url else {})
    return content


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else _json(value).decode()


def _words(push: WirePush) -> dict[str, str]:
    return {"title": push.title, "body": push.body} if push.title else {"body": push.body}


def _ours(push: WirePush) -> dict[str, str]:
    ours = {"deliveryId": push.key}
    if push.action_url:
        ours["actionUrl"] = push.action_url
    if push.image_url:
        ours["imageUrl"] = push.image_url
    return ours
