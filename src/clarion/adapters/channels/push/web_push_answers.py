"""What a browser's push service says about a message, as outcomes.

Sources: RFC 8030 §5 and §7, RFC 8292 §4.2, and what the four large services document. Where to read next: `web_push`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from clarion.adapters.channels.http_answers import Answer, plain, refusal
from clarion.domain.health import NO_WAY
from clarion.domain.internet import may_be_public
from clarion.domain.outcome import Outcome, Reason, Verdict

_KNOWN: Final = (
    "fcm.googleapis.com",
    "push.apple.com",
    "push.services.mozilla.com",
    "notify.windows.com",
)
"""The push services of the large browsers: their word that our key is not good is taken."""
_OF_US: Final = ("badjwt", "jwt", "expired", "vapid header", "missing")
_OTHER_KEY: Final = ("mismatch", "do not correspond", "not match")
"""Of the subscription: it was made with another key than this sender's."""
_FAILED: Final[dict[int, Reason]] = {
    400: Reason.MESSAGE_REJECTED,
    404: Reason.ADDRESS_UNKNOWN,
    410: Reason.ADDRESS_UNKNOWN,
    413: Reason.TOO_BIG,
}


def outcome(answer: Answer, origin: str, *, allow_private: bool = False) -> Outcome:
    """What became of one message. 201 is what RFC 8030 §5 asks for; 404 and 410 are the word that nobody is there."""
    status = answer.status
    words = plain(answer.body.decode("utf-8", "replace"))
    said = f"HTTP {status} {words}".strip()
    if 200 <= status < 300:
        return Outcome.sent(said)
    if status in {400, 401, 403} and (login := _of_the_key(status, words.lower())):
        return _believed(Outcome(*login, said), origin, allow_private=allow_private)
    if status in _FAILED:
        return Outcome.failed(_FAILED[status], said)
    if status in {429, 503}:
        return Outcome.retry(Reason.DEFERRED, said)
    return unheard(refusal(answer, words))


def unheard(outcome: Outcome) -> Outcome:
    """The same without blaming the sender: one push service that cannot be reached says nothing about the others."""
    if outcome.verdict is Verdict.RETRY and outcome.reason in NO_WAY | {Reason.THROTTLED}:
        return Outcome.retry(Reason.DEFERRED, outcome.reply)
    return outcome


def _of_the_key(status: int, words: str) -> tuple[Verdict, Reason] | None:
    if any(mark in words for mark in _OTHER_KEY):
        return Verdict.FAILED, Reason.ADDRESS_REJECTED
    if status == 401 or (status == 403 and any(mark in words for mark in _OF_US)):
        return Verdict.RETRY, Reason.AUTH_FAILED
    # RFC 8292 §4.2: 403 is for a key that is not the subscription's.
    return (Verdict.FAILED, Reason.ADDRESS_REJECTED) if status == 403 else None


def _believed(said: Outcome, origin: str, *, allow_private: bool) -> Outcome:
    """Only a push service that we know, or one of our own, can say that a sender's key is not good."""
    host = urlsplit(origin).hostname or ""
    is_known = any(host == known or host.endswith("." + known) for known in _KNOWN)
    return said if is_known or (allow_private and not may_be_public(host)) else unheard(said)
