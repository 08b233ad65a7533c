"""Firebase Cloud Messaging over its HTTP v1 API: one request a message, and what its answers mean.

Source: firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and /docs/cloud-messaging/error-codes. A message has
the same collapse key and tag at each try: a device that gets it twice shows it once. Where to read next:
`http_channel` (who asks this), `google_token`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http import HttpWay, Request, Timeouts
from clarion.adapters.channels.http_answers import UNREADABLE, Answer, plain, refusal
from clarion.adapters.channels.http_channel import HttpChannel
from clarion.adapters.channels.json_reading import json_object, list_of, name_of, object_of, text_of
from clarion.adapters.channels.push.google_token import GoogleToken
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.push import Fcm
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import fcm_request

_RETRY, _FAILED = Verdict.RETRY, Verdict.FAILED
OUTCOMES: Final[dict[str, tuple[Verdict, Reason, str]]] = {
    "UNREGISTERED": (_FAILED, Reason.ADDRESS_UNKNOWN, "The app was removed, or its token is no longer valid"),
    # Another app's token: a sender set up wrongly must not retire a whole audience.
    "SENDER_ID_MISMATCH": (_FAILED, Reason.ADDRESS_REJECTED, "The token belongs to another project's app"),
    "INVALID_ARGUMENT": (
        _FAILED,
        Reason.MESSAGE_REJECTED,
        "A field is wrong; of the token `address_rejected`, of the size `too_big`",
    ),
    # The project's own credentials for APNs or browsers.
    "THIRD_PARTY_AUTH_ERROR": (
        _RETRY,
        Reason.AUTH_FAILED,
        "The project's own credentials for APNs or browsers are not good",
    ),
    "QUOTA_EXCEEDED": (_RETRY, Reason.THROTTLED, "The sending limit is exceeded"),
    "UNAVAILABLE": (_RETRY, Reason.THROTTLED, "The server is overloaded"),
    "INTERNAL": (_RETRY, Reason.DEFERRED, "An internal error"),
}
"""By FCM's error code. What was answered by `INTERNAL` was not accepted: the documentation says to send it again."""
_OF_ARGUMENTS: Final = (
    ("registration token", Reason.ADDRESS_REJECTED),
    ("too big", Reason.TOO_BIG),
    ("too large", Reason.TOO_BIG),
)
"""`INVALID_ARGUMENT` says in words alone which argument it was."""
_ERROR_TYPE: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_NOBODY: Final = WirePush("nobody", "", "", "", "", "", "", {}, is_silent=True, ttl_s=0, key="probe")


class FcmApi:
    """What `HttpChannel` must know of FCM. An answer that is lost is not asked for again: it may have been shown."""

    most_at_once = 1
    repeats = 0

    def __init__(self, fcm: Fcm, private_key: str, way: HttpWay, clock: Callable[[], float] = time.time) -> None:
        self._url = f"{fcm.base_url.rstrip('/')}/v1/projects/{fcm.project_id}/messages:send"
        self._token = GoogleToken(fcm, private_key, way, clock)
        self._shown = ""

    async def request(self, messages: Sequence[WirePush]) -> Request | Outcome:
        """The request for one message, once there is a token."""
        return await self._signed(fcm_request(messages[0]))

    def outcomes(self, messages: Sequence[WirePush], answer: Answer) -> Sequence[Outcome]:
        """What became of the message."""
        del messages
        if answer.status == 401 and not _code(_error(answer)):
            self._token.forget(self._shown)
        return [outcome(answer)]

    async def probe(self, way: HttpWay) -> Outcome:
        """Has a message to a made-up device checked only: when that is all FCM finds fault with, the key is good."""
        body = fcm_request(_NOBODY)
        request = await self._signed(b'{"validate_only":true,' + body[1:])
        answer = request if isinstance(request, Outcome) else await way.ask(request)
        found = answer if isinstance(answer, Outcome) else outcome(answer)
        if found.verdict is Verdict.FAILED:
            return Outcome.sent(f"ready; FCM takes the key, and says of a made-up device: {found.reply}")
        return found

    async def _signed(self, body: bytes) -> Request | Outcome:
        token = await self._token.get()
        if isinstance(token, Outcome):
            return token
        self._shown = token
        return Request(self._url, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})


def outcome(answer: Answer) -> Outcome:
    """What became of one message."""
    if answer.status == 200:
        name = name_of(json_object(answer.body).get("name"))
        return Outcome.sent(f"accepted as {name}") if name else UNREADABLE
    error = _error(answer)
    words = plain(f"{text_of(error.get('status'))} {text_of(error.get('message'))}")
    code = _code(error)
    known = OUTCOMES.get(code)
    if known is None:
        # Without a code of FCM's it is Google's front door that speaks: 401 and 403 are about our credentials.
        return refusal(answer, words)
    verdict, reason, _ = known
    if code == "INVALID_ARGUMENT":
        reason = next((why for mark, why in _OF_ARGUMENTS if mark in words.lower()), reason)
    return Outcome(verdict, reason, f"HTTP {answer.status} {code} {words}")


def channel(
    fcm: Fcm, secrets: Mapping[str, str], ground: Ground, timeouts: Timeouts | None = None
) -> HttpChannel[WirePush]:
    """The channel of a sender. FCM is told no address of ours."""
    del ground
    way = HttpWay(max_connections=fcm.max_connections, timeouts=timeouts)
    return HttpChannel(FcmApi(fcm, secrets["privateKey"], way), way)


def _error(answer: Answer) -> Mapping[str, object]:
    return object_of(json_object(answer.body).get("error"))


def _code(error: Mapping[str, object]) -> str:
    for detail in map(object_of, list_of(error.get("details"))):
        if detail.get("@type") == _ERROR_TYPE:
            return text_of(detail.get("errorCode"))
    return "INVALID_ARGUMENT" if error.get("status") == "INVALID_ARGUMENT" else ""
