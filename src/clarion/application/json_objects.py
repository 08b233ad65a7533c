"""Objects that callers fill as they like: whether they can be kept as JSON, and in how many bytes.

Knows nothing of what stands in them. Where to read next: `calls` and `campaign_rules`, which say how large each may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from clarion.application.contact_rules import Refusal

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_encode: Final = msgspec.json.Encoder().encode


def encoded(said: Mapping[str, Any], limit: int) -> bytes | Refusal:
    """The object as JSON of at most `limit` bytes; else why PostgreSQL could not keep it, or should not."""
    try:
        text = _encode(said)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return Refusal("json", "must say only what JSON can hold, without lone surrogates")
    if len(text) > limit:
        return Refusal("maxBytes", f"must be at most {limit // 1024} kB as JSON")
    if b"\\u0000" in text and _NUL.search(text):
        return Refusal("nul", "must not contain the NUL character")
    return text
