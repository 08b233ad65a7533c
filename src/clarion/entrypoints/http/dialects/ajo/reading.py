"""Reading a body: bytes to a model in one pass, every mistake of shape told as 400, and data as templates print it.

JSON is read as the vendor reads it (unknown fields pass, of equal keys the last counts), yet what cannot be stored is
refused. Read `models` for the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from clarion.domain.errors import Problem
from clarion.entrypoints.http.dialects.ajo.errors import Unreadable
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.requests import read_bytes, require_json
from clarion.entrypoints.http.strict_json import DEPTH_LIMIT, text_problem
from clarion.rendering.translation.adobe_names import kept

M = TypeVar("M", bound=msgspec.Struct)

_ECHOED: Final = ("requestId", "campaignId")
_ECHO_LIMIT: Final = 255
_SAID_LIMIT: Final = 200
"""Characters of what the reader says, which may repeat the value."""


async def read_body(request: Incoming, model: type[M]) -> tuple[M, bytes]:
    """The body as the model, and its bytes.

    Raises:
        Unreadable: it is not JSON, or not of this shape.
        TooLarge, UnsupportedMediaType, RequestTimeout: as every body.
    """
    edge: Edge = request.app.state.edge
    raw = await read_bytes(request, edge.max_body_bytes)
    require_json(request, raw)
    return decode(raw, model), raw


def decode(raw: bytes, model: type[M]) -> M:
    """The model in these bytes. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(raw, type=model)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        problem = Problem(where.rstrip("`").lstrip(".") or "body", "type", said[:_SAID_LIMIT])
        raise Unreadable([problem], _echo(raw)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable([Problem("body", "json", f"is not JSON: {str(error)[:_SAID_LIMIT]}")], {}) from None
    except RecursionError:
        raise Unreadable([Problem("body", "maxDepth", "is nested too deep")], {}) from None


def _echo(raw: bytes) -> dict[str, str]:
    """What the caller can recognise the call by."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    return {name: body[name][:_ECHO_LIMIT] for name in _ECHOED if isinstance(body.get(name), str)}


def check_texts(*texts: tuple[str, str | None]) -> None:
    """Raises `Unreadable` for a text that cannot be stored; each comes with its field."""
    doubtful = [(field, text) for field, text in texts if text and not text.isprintable()]
    problems = [problem for field, text in doubtful if (problem := text_problem(field, text))]
    if problems:
        raise Unreadable(problems, {})


def plain_context(field: str, context: Mapping[str, Any] | None) -> dict[str, Any]:
    """The context as templates see it: every scalar is text, a null is missing.

    Raises:
        Unreadable: it names `system`, which is reserved, or is nested too deep.
    """
    if not context:
        return {}
    if "system" in context:
        raise Unreadable([Problem(f"{field}.system", "reserved", "context.system is reserved")], {})
    return {kept(key): _as_text(field, value, 1) for key, value in context.items() if value is not None}


def plain_profile(field: str, profile: Mapping[str, Any] | None) -> dict[str, Any]:
    """The profile with its keys as they are kept. Raises `Unreadable` when it is nested too deep."""
    return {kept(key): _renamed(field, value, 1) for key, value in profile.items()} if profile else {}


def _as_text(field: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        _check_depth(field, depth)
        if isinstance(value, list):
            return ["" if inner is None else _as_text(field, inner, depth + 1) for inner in value]
        return {kept(key): _as_text(field, inner, depth + 1) for key, inner in value.items() if inner is not None}
    return str(value)


def _renamed(field: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict | list):
        return value
    _check_depth(field, depth)
    if isinstance(value, list):
        return [_renamed(field, inner, depth + 1) for inner in value]
    return {kept(key): _renamed(field, inner, depth + 1) for key, inner in value.items()}


def _check_depth(field: str, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise Unreadable([Problem(field, "maxDepth", f"is nested deeper than {DEPTH_LIMIT} levels")], {})
