"""What a message says: the content of one step on one channel, and the limits it keeps to.

A revision is immutable; saving a message makes a new one. Templates inside it are compiled by `rendering`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SUBJECT_LIMIT: Final = 998
"""Characters of a subject template."""
BODY_LIMIT: Final = 512 * 1024
"""Bytes of one body template, UTF-8."""


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
