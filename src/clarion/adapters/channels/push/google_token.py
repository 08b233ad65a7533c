"""The access token of a service account: fetched once for everybody who waits, and anew before it runs out.

Source: developers.google.com/identity/protocols/oauth2/service-account (RFC 7523). Never sends a message. Where to read
next: `fcm`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from clarion.adapters.channels.http import HttpWay, Request
from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.adapters.channels.json_reading import json_object, text_of
from clarion.adapters.channels.push.signed_tokens import BadKey, read_rsa_key, signed
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.push import Fcm

AHEAD_S: Final = 600
"""A token is fetched anew so long before it runs out, while the old one goes on being used."""
_PAUSE_S: Final = 15
"""How long nothing is asked after a failure, while the old token is still good."""
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTED_S: Final = 3600
"""The longest that Google takes."""
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends_at: float


class GoogleToken:
    """The token of one sender in one worker. `clock` tells seconds since 1970."""

    def __init__(self, fcm: Fcm, private_key: str, way: HttpWay, clock: Callable[[], float]) -> None:
        self._fcm = fcm
        self._private_key = private_key
        self._way = way
        self._clock = clock
        self._token: _Token | None = None
        self._asking: asyncio.Task[_Token | Outcome] | None = None
        self._ask_again_at = float("-inf")

    async def get(self) -> str | Outcome:
        """A token that is good now, or what keeps us from having one. At most one question at a time."""
        token, now = self._token, self._clock()
        is_good = token is not None and now < token.ends_at
        is_young = token is not None and now < token.ends_at - AHEAD_S
        if not is_young and self._asking is None and not (is_good and now < self._ask_again_at):
            self._asking = asyncio.ensure_future(self._fetch())
            self._asking.add_done_callback(self._fetched)
        if token is not None and is_good:
            return token.text
        assert self._asking is not None  # noqa: S101 - no good token, so it is being asked for
        # Whoever asked first may leave; the others still want to know.
        found = await asyncio.shield(self._asking)
        return found if isinstance(found, Outcome) else found.text

    def forget(self, refused: str) -> None:
        """Drops a token that was refused, unless it was replaced already."""
        if self._token is not None and self._token.text == refused:
            self._token = None

    def _fetched(self, asking: asyncio.Task[_Token | Outcome]) -> None:
        self._asking = None
        found = None if asking.cancelled() else asking.result()
        if isinstance(found, _Token):
            self._token = found
        else:
            self._ask_again_at = self._clock() + _PAUSE_S

    async def _fetch(self) -> _Token | Outcome:
        now = int(self._clock())
        claims: dict[str, Any] = {"iss": self._fcm.client_email, "scope": _SCOPE, "aud": self._fcm.token_url}
        try:
            assertion = signed(read_rsa_key(self._private_key), claims | {"iat": now, "exp": now + _ASSERTED_S})
        except BadKey as fault:
            return Outcome.retry(Reason.AUTH_FAILED, str(fault))
        body = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
        answer = await self._way.ask(Request(self._fcm.token_url, body, _FORM))
        found = answer if isinstance(answer, Outcome) else _read(answer, now)
        if isinstance(found, Outcome) and found.verdict is not Verdict.RETRY:
            # Nothing was sent, whatever became of the question.
            return Outcome.retry(Reason.CONNECTION_FAILED, found.reply)
        return found


def _read(answer: Answer, now: int) -> _Token | Outcome:
    told = json_object(answer.body)
    text, lasts = text_of(told.get("access_token")), told.get("expires_in")
    if answer.status == 200 and text and text.isascii() and text.isprintable():
        return _Token(text, now + (min(lasts, 86_400) if isinstance(lasts, int) and lasts > 0 else _ASSERTED_S))
    words = plain(f"no access token: {text_of(told.get('error'))} {text_of(told.get('error_description'))}")
    if answer.status in {400, 401, 403}:
        # invalid_grant, most often: the key was revoked, or this machine's clock is wrong.
        return Outcome.retry(Reason.AUTH_FAILED, f"HTTP {answer.status} {words}")
    return refusal(answer, words)
