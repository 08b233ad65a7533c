"""JSON, read strictly: what another parser might read differently is refused here, before any rule is looked at.

Refused: bytes that are not UTF-8, duplicate keys, NaN and Infinity, numbers beyond 64 bits, nesting deeper than
`DEPTH_LIMIT`, NUL and lone surrogates in text. Read `requests` for how bodies get here.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NoReturn

from clarion.domain.errors import Invalid, Malformed, Problem

DEPTH_LIMIT: Final = 32
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INT_DIGITS = 20

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
_Container = list[Json] | dict[str, Json]

_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class _Refused(ValueError):
    """Carries the rule out of the parser's hooks."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def parse_json(body: bytes, *, name: str = "body") -> Json:
    """Reads one JSON text.

    Raises `Malformed` when it is not JSON as above, `Invalid` naming the field when its text cannot be stored.
    """
    try:
        value: Json = _decoder.decode(body.decode("utf-8"))
    except _Refused as refused:
        raise Malformed(Problem(name, refused.rule, str(refused))) from None
    except UnicodeDecodeError as error:
        raise Malformed(Problem(name, "utf8", f"is not UTF-8 at byte {error.start}")) from None
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}"
        raise Malformed(Problem(name, "json", message)) from None
    except RecursionError:
        raise _too_deep(name) from None
    if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and _deeper_than(value, DEPTH_LIMIT):
        raise _too_deep(name)
    if _SUSPICIOUS.search(body):
        _refuse_unstorable(value)
    return value


def text_problem(field: str, text: str) -> Problem | None:
    """Why this text cannot be stored: NUL, or half of a surrogate pair."""
    field = field.encode("utf-8", "backslashreplace").decode()[:200]
    if "\0" in text:
        return Problem(field, "nul", "contains the NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        return Problem(field, "surrogate", "contains half of a surrogate pair")
    return None


def _too_deep(name: str) -> Malformed:
    return Malformed(Problem(name, "maxDepth", f"is nested deeper than {DEPTH_LIMIT} levels"))


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _Refused("duplicateKey", f"has the key {twice[:80]!r} twice in one object")
    return found


def _int(digits: str) -> int:
    if len(digits) <= _INT_DIGITS and _INT_MIN <= (value := int(digits)) <= _INT_MAX:
        return value
    raise _Refused("number", "has a whole number beyond 64 bits")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Refused("number", "has a number too large for a 64-bit float")
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused("number", f"has {name}, which is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_int, parse_float=_float, parse_constant=_constant)


def _deeper_than(value: Json, limit: int) -> bool:
    level: list[_Container] = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [child for node in level for child in _containers(node)]
    return bool(level)


def _containers(node: _Container) -> list[_Container]:
    children = node.values() if isinstance(node, dict) else node
    return [child for child in children if isinstance(child, dict | list)]


def _refuse_unstorable(value: Json) -> None:
    problems = [problem for path, text in _texts(value, "") if (problem := text_problem(path or "body", text))]
    if problems:
        raise Invalid.of(problems)


def _texts(node: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _texts(child, f"{path}[{number}]")
    elif isinstance(node, dict):
        for key, child in node.items():
            yield path, key
            yield from _texts(child, f"{path}.{key}" if path else key)
