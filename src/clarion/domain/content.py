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
PUSH_LIMIT: Final = 4096
"""Characters of each text of a push message."""


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
    """A text message: one template. It is stored and checked; no channel sends it yet."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushContent:
    """A push message: templates for its title and body. It is stored and checked; no channel sends it yet.

    `extras` is what an app is handed along: a flat or nested JSON object of the author's.
    """

    title: str | None = None
    body: str
    action_url: str | None = None
    image_url: str | None = None
    silent: bool = False
    extras: dict[str, Any] = field(default_factory=dict)
