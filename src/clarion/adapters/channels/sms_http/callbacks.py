"""What the callbacks of all providers share: signatures compared in constant time, ages, numbers and moments.

Knows no provider. Everything here is pure; the clock is given. Where to read next: `standard_webhooks`, or a provider.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from clarion.adapters.channels.http_answers import plain
from clarion.adapters.channels.json_reading import json_object
from clarion.adapters.channels.sms_http.meanings import Table
from clarion.application.ports.receipts import Answer, Callback, Forged
from clarion.domain.errors import Malformed, Problem
from clarion.domain.outcome import Reason, Verdict

Clock = Callable[[], float]
"""Seconds since 1970."""

TOLERANCE_S: Final = 300.0
"""How far a signed time may be from ours (Standard Webhooks, Bird)."""
_SHORT: Final = 8
"""Digits of the longest short code; a number with more of them is international."""


class CallbackReader:
    """What every provider's reader does unless it says otherwise."""

    @property
    def answer(self) -> Answer:
        """What the provider is answered when its news is stored: nothing, with a status that says so."""
        return Answer()

    async def prepare(self, request: Callback) -> None:
        """Fetches what checking this request needs and is not here yet: nothing, as a rule."""


def same(signed: str, expected: str) -> bool:
    """Whether two signatures are the same; takes as long whether the first character differs or the last."""
    return hmac.compare_digest(signed.encode("utf-8", "replace"), expected.encode())


def hmac_base64(key: bytes, message: bytes, digest: str = "sha256") -> str:
    """An HMAC as providers write it into headers."""
    return base64.b64encode(hmac.new(key, message, digest).digest()).decode()


def sha256_hex(body: bytes) -> str:
    """The SHA-256 of a body in small hex digits."""
    return hashlib.sha256(body).hexdigest()


def demand_fresh(signed_at: float, now: float, tolerance_s: float) -> None:
    """Raises Forged when a signed time is too far from now, before or after."""
    if not abs(now - signed_at) <= tolerance_s:
        raise Forged("signed too long ago, or in the future")


def demand_object(request: Callback) -> dict[str, Any]:
    """The JSON object in a request whose signature is good. Raises Malformed."""
    found = json_object(request.body)
    if not found:
        raise malformed("a JSON object")
    return found


def malformed(rule: str) -> Malformed:
    """The error for a signed request that is not what its provider documents."""
    return Malformed(Problem("body", "callback", rule))


def international(number: str) -> str:
    """A number as we write it: E.164 with a plus, which some providers leave out; a short code stays as it is."""
    number = number.strip()
    return f"+{number}" if number.isascii() and number.isdigit() and len(number) > _SHORT else number


def moment(text: str) -> datetime | None:
    """A moment in ISO 8601, None when it is not one; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC)


def why(table: Table, code: str, words: str) -> tuple[Reason, str]:
    """Reason and detail of a receipt that says failed. A code that nobody wrote down is the message's own fault."""
    known = table.get(code)
    detail = plain(" ".join(part for part in (code, words or (known.words if known else "")) if part))
    is_plain = known is not None and known.verdict is not Verdict.UNKNOWN
    return (known.reason if known and is_plain else Reason.MESSAGE_REJECTED), detail
