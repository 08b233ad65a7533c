"""What a call or the start of a run said, as `context` in templates: looked over once, printed for many.

Pure. Where to read next: `body`, which prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from clarion.rendering.templates import RenderFault, without_nulls

_encode: Final = msgspec.json.Encoder().encode


class LookedOver(NamedTuple):
    """Plain data without nulls, the size of its JSON, and whether its values need a second look when printed."""

    data: Mapping[str, Any]
    size: int
    is_special: bool


NO_CONTEXT: Final = LookedOver({}, 0, is_special=False)


def look_over(data: Mapping[str, Any]) -> LookedOver:
    """Looks data over before it is printed.

    Raises:
        RenderFault: it is not plain text, numbers, lists and objects.
    """
    try:
        encoded = _encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        msg = "the data is not plain text, numbers, lists and objects"
        raise RenderFault(msg) from None
    # JSON writes every control character with a backslash, and the start of every text with a quotation mark.
    is_special = b"\\" in encoded or b'".' in encoded
    return LookedOver(without_nulls(data) if b"null" in encoded else data, len(encoded), is_special)


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid over it, objects member by member, everything else as a whole."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = overlaid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
