"""What a message says: the content of one step on one channel, and the limits it keeps to.

A revision is immutable; saving a message makes a new one. Templates inside it are compiled by `rendering`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

SUBJECT_LIMIT: Final = 998
"""Characters of a subject template."""
BODY_LIMIT: Final = 512 * 1024
"""Bytes of one body template, UTF-8."""
SMS_LIMIT: Final = 4096
"""Characters of an SMS template."""
SEGMENTS_LIMIT: Final = 255
"""Segments of a text message (3GPP TS 23.040 §9.2.3.24.1: their number is one octet)."""
PUSH_LIMIT: Final = 4096
"""Characters of each text of a push message."""
PUSH_URL_LIMIT: Final = 2000
"""Characters of a URL in a push message, as a template and as it goes out."""
PUSH_TTL_LIMIT: Final = 28 * 24 * 3600
"""Seconds that a push message is kept for a device that is away: FCM keeps none longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailContent:
    """An email: templates for subject and bodies, and optional overrides of the sender's addresses.

    `text` absent means: derived from `html`. `from_` and `reply_to` are `name <address>` or a bare address.
    """

    subject: str
    html: str
    text: str | None = None
    from_: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsContent:
    """A text message: one template.

    `transliterate` writes what the GSM alphabet cannot say as it can, where that reads the same. Whoever's message is
    longer than `max_segments` gets none.
    """

    text: str
    transliterate: bool = False
    max_segments: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushContent:
    """A push message: templates for its words, its links and every text within `extras`.

    `extras` is what an app is handed along: a flat or nested JSON object of the author's. A silent message shows
    nothing, it only wakes the app with its `extras`. `ttl_seconds` is how long the provider keeps it for a device that
    is away: 0 means now or never, None as long as every provider would.
    """

    title: str | None = None
    body: str
    action_url: str | None = None
    image_url: str | None = None
    silent: bool = False
    ttl_seconds: int | None = None
    extras: dict[str, Any] = field(default_factory=dict)
