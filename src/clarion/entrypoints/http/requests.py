"""Reading a request: its body within a limit and a time, its query, and both into the model a route declares.

Every mistake of shape is reported at once, with its path and rule. Business rules are the use cases' own. Read
`strict_json` for what JSON is accepted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar.exceptions import ClientException

from clarion.domain.errors import Invalid, Malformed, Problem, TooLarge
from clarion.entrypoints.http.errors import RequestTimeout, UnsupportedMediaType
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.strict_json import Json, parse_json, text_problem

SILENCE_LIMIT_S: Final = 30.0
"""How long a body may stay silent before the request is given up."""
WHOLE_LIMIT_S: Final = 60.0
"""How long a body that is not streamed may take."""
_QUERY_FIELDS: Final = 50
_SAID_LIMIT: Final = 200
"""Characters of what is said of one mistake, which may repeat the value."""
_ID_PATTERN: Final = "'^[0-9a-f]{24}$'"
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)

T = TypeVar("T")


class ClientGone(RequestTimeout):
    """The client hung up before its body was complete; nobody hears the answer."""

    code = "CLIENT_GONE"


async def read_bytes(request: Incoming, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: before more than `limit` bytes are kept.
        UnsupportedMediaType: it is compressed.
        RequestTimeout: it stalls.
    """
    _check_head(request, limit)
    clock = asyncio.get_running_loop().time
    ends_at = clock() + WHOLE_LIMIT_S
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(SILENCE_LIMIT_S) as patience:
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone("The client hung up")
                if message["type"] == "http.request":
                    body += message["body"]
                    more = message["more_body"]
                if len(body) > limit:
                    raise _too_large(limit)
                patience.reschedule(min(clock() + SILENCE_LIMIT_S, ends_at))
    except TimeoutError:
        if clock() >= ends_at:
            raise RequestTimeout(f"The body took longer than {WHOLE_LIMIT_S:.0f} s") from None
        raise RequestTimeout(f"The body stopped coming for {SILENCE_LIMIT_S:.0f} s") from None
    return bytes(body)


async def stream_body(request: Incoming, limit: int) -> AsyncIterator[bytes]:
    """The body in the pieces it comes in. Raises what `read_bytes` raises, or `ClientGone`."""
    _check_head(request, limit)
    seen = 0
    pieces = request.stream()
    while (piece := await _next(pieces)) is not None:
        seen += len(piece)
        if seen > limit:
            raise _too_large(limit)
        if piece:
            yield piece


def _check_head(request: Incoming, limit: int) -> None:
    """Refuses a body by its headers: one that is announced as too large, or compressed (RFC 9110 §8.4)."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType("No Content-Encoding is read here; send the body as it is")


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(SILENCE_LIMIT_S):
            return await anext(pieces, None)
    except TimeoutError:
        raise RequestTimeout(f"The body stopped coming for {SILENCE_LIMIT_S:.0f} s") from None
    except ClientException:
        raise ClientGone("The client hung up") from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge("body", f"{limit} bytes")


def content_type(request: Incoming) -> str:
    """The media type of the body in lower case, without parameters; empty when none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_json(request: Incoming, body: bytes) -> None:
    """Raises `UnsupportedMediaType` unless the body is declared as JSON; an empty body may leave it out."""
    kind = content_type(request)
    if kind == "application/json" or (not body and not kind):
        return
    raise UnsupportedMediaType("This path reads application/json")


def read_model(body: bytes, model: type[T]) -> T:
    """A JSON body as the model; an empty one counts as `{}`. Raises `Malformed` or `Invalid` with every mistake."""
    return to_model(parse_json(body) if body.strip() else {}, model)


def read_query(request: Incoming, model: type[T]) -> T:
    """The query string as the model; a parameter may come once. Raises `Invalid` or `Malformed`."""
    raw = request.scope["query_string"]
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS)
    except UnicodeDecodeError:
        raise Malformed(Problem("query", "utf8", "is not a UTF-8 query string")) from None
    except ValueError:
        raise Malformed(Problem("query", "maxProperties", f"has more than {_QUERY_FIELDS} parameters")) from None
    problems = [p for name, value in pairs if (p := text_problem(f"query.{name}"[:80], name + value))]
    found: dict[str, Json] = dict(pairs)
    if len(found) != len(pairs):
        problems.append(Problem("query", "duplicateKey", "has one parameter twice"))
    shape: Any = model
    for name, value in pairs:
        if name in _whole_numbers(shape) and not _WHOLE.fullmatch(value):
            problems.append(Problem(f"query.{name}", "type", "must be a whole number in ASCII digits"))
    if problems:
        raise Invalid.of(problems)
    return to_model(found, model, prefix="query.", strict=False)


@lru_cache
def _whole_numbers(model: type[Any]) -> frozenset[str]:
    kinds = {field.encode_name: _kind_of(field.type) for field in msgspec.structs.fields(model)}
    return frozenset(name for name, kind in kinds.items() if isinstance(kind, msgspec.inspect.IntType))


def to_model(value: Json, model: type[T], *, prefix: str = "", strict: bool = True) -> T:
    """Parsed JSON as the model. Raises `Malformed` when a type is wrong, else `Invalid`; all mistakes at once."""
    try:
        return msgspec.convert(value, model, strict=strict)
    except msgspec.ValidationError:
        problems = _problems(value, model, prefix, strict=strict)
    wrong_type = any(problem.rule == "type" for problem in problems)
    raise (Malformed if wrong_type and strict else Invalid).of(problems)


def as_utc(field: str, moment: datetime) -> datetime:
    """The moment in UTC. Raises `Invalid` where the calendar ends."""
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Invalid(Problem(field, "range", "is outside the calendar")) from None


def _problems(value: Json, model: Any, prefix: str, *, strict: bool) -> list[Problem]:  # noqa: ANN401 - any annotation
    inner = _struct_in(model)
    if inner is None or not isinstance(value, dict):
        return _problem(value, model, prefix, strict=strict)
    fields = {field.encode_name: field for field in msgspec.structs.fields(inner)}
    found = [
        Problem(f"{prefix}{name}"[:200], "unknown", "is not a known field") for name in value if name not in fields
    ]
    for name, field in fields.items():
        if name in value:
            found += _problems(value[name], field.type, f"{prefix}{name}.", strict=strict)
        elif field.required:
            found.append(Problem(prefix + name, "required", "is required"))
    return found


def _kind_of(model: Any) -> msgspec.inspect.Type:  # noqa: ANN401 - any annotation
    info = msgspec.inspect.type_info(model)
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def _struct_in(model: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - any annotation
    info = _kind_of(model)
    options = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return next((option.cls for option in options if isinstance(option, msgspec.inspect.StructType)), None)


def _problem(value: Json, model: Any, prefix: str, *, strict: bool) -> list[Problem]:  # noqa: ANN401 - any annotation
    try:
        msgspec.convert(value, model, strict=strict)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        field = ((prefix.rstrip(".") + where.rstrip("`")) or "body")[:200]
        rule = _rule_of(said)
        return [Problem(field, rule, _in_words(rule, said, model)[:_SAID_LIMIT])]
    return []


def _in_words(rule: str, said: str, model: Any) -> str:  # noqa: ANN401 - any annotation
    if rule == "enum" and (options := _options_in(msgspec.inspect.type_info(model))):
        return "must be one of " + ", ".join(options)
    return "must be an id of 24 hexadecimal digits" if _ID_PATTERN in said else said


def _options_in(info: msgspec.inspect.Type) -> list[str]:
    """What a field may be that is one of a few words, or a list of such."""
    match info:
        case msgspec.inspect.EnumType(cls=options):
            return [str(option.value) for option in options]
        case msgspec.inspect.Metadata(type=inner) | msgspec.inspect.ListType(item_type=inner):
            return _options_in(inner)
        case msgspec.inspect.UnionType(types=found):
            return [option for one in found for option in _options_in(one)]
    return []


_RULES: Final = (
    (re.compile(r"unknown field"), "unknown"),
    (re.compile(r"missing required"), "required"),
    (re.compile(r"array` of length <="), "maxItems"),
    (re.compile(r"array` of length >="), "minItems"),
    (re.compile(r"length <="), "maxLength"),
    (re.compile(r"length >="), "minLength"),
    (re.compile(r"matching regex"), "pattern"),
    (re.compile(r"timezone component"), "dateTime"),
    (re.compile(r"enum value"), "enum"),
    (re.compile(r">="), "minimum"),
    (re.compile(r"<="), "maximum"),
    (re.compile(r"Invalid RFC3339"), "dateTime"),
)


def _rule_of(said: str) -> str:
    return next((rule for pattern, rule in _RULES if pattern.search(said)), "type")
