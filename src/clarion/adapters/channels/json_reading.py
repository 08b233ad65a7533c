"""Careful reading of somebody else's JSON: whatever stands there, nothing raises or is taken for what it is not.

Pure; knows no provider. Where to read next: `http_answers` for what an answer means, `sms_http/callbacks` for calls.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from clarion.adapters.channels.http_answers import plain

_NAME_LIMIT: Final = 255


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; empty when it is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_of(value: object) -> str:
    """A value that should be a text or a number, as a text; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def name_of(value: object) -> str:
    """The name that a provider gave a message, on one line that can be stored; empty when it gave none."""
    return plain(text_of(value), _NAME_LIMIT)


def object_of(value: object) -> dict[str, Any]:
    """A value that should be an object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A value that should be a list; empty for anything else."""
    return value if isinstance(value, list) else []
