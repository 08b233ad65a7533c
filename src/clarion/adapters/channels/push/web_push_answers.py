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
OUTCOMES: Final[dict[str, tuple[Verdict, Reason, str]]] = {
    "400": (Verdict.FAILED, Reason.MESSAGE_REJECTED, "The request is wrong"),
    "401": (Verdict.RETRY, Reason.AUTH_FAILED, "Our VAPID token is not good; from a service we do not know `deferred`"),
    "403": (Verdict.FAILED, Reason.ADDRESS_REJECTED, "The subscription was made with another key than this sender's"),
    "404": (Verdict.FAILED, Reason.ADDRESS_UNKNOWN, "The subscription is gone"),
    "410": (Verdict.FAILED, Reason.ADDRESS_UNKNOWN, "The subscription is gone"),
    "413": (Verdict.FAILED, Reason.TOO_BIG, "The message is larger than the push service takes"),
    "429": (Verdict.RETRY, Reason.DEFERRED, "Too many requests to this push service"),
    "503": (Verdict.RETRY, Reason.DEFERRED, "The push service is not available"),
}
"""By status. Services that answer 400 or 403 and speak of the token or of another key mean 401 and 403."""


def outcome(answer: Answer, origin: str, *, allow_private: bool = False) -> Outcome:
    """What became of one message. 201 is what RFC 8030 §5 asks for; 404 and 410 are the word that nobody is there."""
    words = plain(answer.body.decode("utf-8", "replace"))
    said = f"HTTP {answer.status} {words}".strip()
    if 200 <= answer.status < 300:
        return Outcome.sent(said)
    known = OUTCOMES.get(_meant(answer.status, words.lower()))
    if known is None:
        return unheard(refusal(answer, words))
    found = Outcome(known[0], known[1], said)
    if found.reason is Reason.AUTH_FAILED and not _is_believed(origin, allow_private=allow_private):
        return unheard(found)
    return found


def unheard(outcome: Outcome) -> Outcome:
    """The same without blaming the sender: one push service that cannot be reached says nothing about the others."""
    if outcome.verdict is Verdict.RETRY and outcome.reason in NO_WAY | {Reason.THROTTLED}:
        return Outcome.retry(Reason.DEFERRED, outcome.reply)
    return outcome


def _meant(status: int, words: str) -> str:
    """The status by its meaning: RFC 8292 §4.2 has 401 for a token and 403 for a key, not every service does."""
    if status in {400, 401, 403} and any(mark in words for mark in _OTHER_KEY):
        return "403"
    if status == 403 and any(mark in words for mark in _OF_US):
        return "401"
    return str(status)


def _is_believed(origin: str, *, allow_private: bool) -> bool:
    """Whether a push service is one that we know, or one of our own: only these can say that a key is not good."""
    host = urlsplit(origin).hostname or ""
    is_known = any(host == known or host.endswith("." + known) for known in _KNOWN)
    return is_known or (allow_private and not may_be_public(host))
