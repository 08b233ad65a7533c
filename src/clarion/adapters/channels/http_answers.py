"""What an HTTP answer means where a provider's own table says nothing, and how long "slow down" may hold us up.

Pure: the clock is given. Never reads more of a provider's words than fit on a line. Where to read next: the provider's
module, which looks into its own table first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from clarion.domain.outcome import Outcome, Reason

ANSWER_LIMIT: Final = 256 * 1024
"""Bytes of an answer that are read; what is longer is cut."""
LEAST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 3600.0


class Answer(NamedTuple):
    """What came back, at most `ANSWER_LIMIT` bytes of it; `is_whole` is False when the rest was cut off or lost."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case of letters."""
    body: bytes
    is_whole: bool


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """How many seconds the other side wants to be left alone (RFC 9110 §10.2.3); None when it does not say.

    From a second to an hour, whatever it says: nonsense must neither hammer a provider nor stall a sender for ever.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"-?[0-9]{1,30}", text):
        seconds = float(text)
    else:
        try:
            until = parsedate_to_datetime(text)
            seconds = (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, LEAST_PAUSE_S), LONGEST_PAUSE_S)


def refusal(answer: Answer, words: str) -> Outcome:
    """What an answer other than success means when a provider's own table says nothing: RFC 9110 §15, RFC 6585.

    A refusal of us (login, path) is no fault of the message, which waits. 5xx except 503 comes from behind a body that
    was read: it may have been acted on. So may what was answered by a success that the provider does not document.
    """
    said = plain(f"HTTP {answer.status} {words}")
    reason = _REFUSED.get(answer.status)
    if reason is not None:
        return Outcome.retry(reason, said)
    if answer.status >= 500 or 200 <= answer.status < 300:
        return Outcome.unknown(Reason.NO_ANSWER, said)
    if answer.status >= 400:
        return Outcome.failed(Reason.TOO_BIG if answer.status == 413 else Reason.MESSAGE_REJECTED, said)
    # Neither success nor refusal: a redirect, most often. The base URL is wrong.
    return Outcome.retry(Reason.CONNECTION_FAILED, said)


def plain(text: str, limit: int = 300) -> str:
    """Somebody else's words on one line, without anything that is not printable."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text[: 4 * limit]).split())[:limit]


UNREADABLE: Final = Outcome.unknown(Reason.NO_ANSWER, "the provider answered with success, but not in its own form")
"""A success that is not what the provider documents: somebody else may have answered in its place."""
_REFUSED: Final = {
    401: Reason.AUTH_FAILED,
    402: Reason.POLICY_REJECTED,
    403: Reason.AUTH_FAILED,
    404: Reason.CONNECTION_FAILED,
    405: Reason.CONNECTION_FAILED,
    407: Reason.AUTH_FAILED,
    408: Reason.CONNECTION_LOST,
    425: Reason.DEFERRED,
    429: Reason.THROTTLED,
    503: Reason.THROTTLED,
}
