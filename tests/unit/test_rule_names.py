"""The machine-readable rules of problems are one vocabulary: camelCase, and JSON Schema's word where it has one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import clarion

_SOURCE = Path(clarion.__file__).parent
_PLACES = {
    "Problem": 1,
    "Rejection": 2,
    "Refusal": 0,
    "AddressFault": 0,
    "LanguageFault": 0,
    "_fault": 0,
    "_Refused": 0,
}
"""At which argument each of these takes its rule."""


def _rules() -> Iterator[tuple[str, str]]:
    for layer in ("application", "entrypoints/http", "rendering/addresses.py", "rendering/body.py", "rendering"):
        path = _SOURCE / layer
        for file in [path] if path.suffix else path.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (rule := _rule(node)):
                    yield rule, f"{file.name}:{node.lineno}"


def _rule(call: ast.Call) -> str | None:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    at = _PLACES.get(name)
    found = call.args[at] if at is not None and at < len(call.args) else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def test_every_rule_is_one_camel_case_word() -> None:
    rules = list(_rules())
    assert len(rules) > 60
    assert [found for found in rules if not re.fullmatch("[a-z][A-Za-z0-9]*", found[0])] == []


def test_what_json_schema_names_has_its_name() -> None:
    others = {"length", "count", "items", "size", "keys", "depth", "format", "empty", "blank", "name"}
    language = {"name"}  # a name of the template language, not a length
    assert [found for found in _rules() if found[0] in others - language] == []
