"""An example value for a JSON schema: its own examples where it has some, else something small of the right type.

Never random: the document is the same on every machine. Used by `openapi`.
"""

from __future__ import annotations

from typing import Any, Final

_NAMED: Final = {
    "email": "ada@lovelace.example",
    "address": "ada@lovelace.example",
    "phone": "+12025550123",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "language": "en",
    "outreachLanguage": "en",
    "timezone": "Europe/London",
    "name": "Spring letter",
    "host": "smtp.relay.example",
    "fromAddress": "Clarion <news@sender.example>",
    "from": "Clarion <news@sender.example>",
    "attributes": {"city": "London"},
    "reason": None,
    "reply": "250 2.0.0 OK",
    "key": "clarion_507f1f77bcf86cd799439011_shown-once",
}
"""What fields of these names show when their schema says no more than a type."""

_TEXTS: Final = {"date-time": "2030-05-01T09:30:00Z"}
_EMPTY: Final[dict[str, Any]] = {"integer": 25, "number": 25, "boolean": True, "null": None, "string": "text"}


def sample(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON is whatever it is
    """One value that fits the schema; `schemas` are those it may refer to."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    for listed in ("examples", "enum"):
        if schema.get(listed):
            return schema[listed][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], schemas)
    return _typed(schema, schemas)


def _field(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON is whatever it is
    shown = sample(schema, schemas)
    return _NAMED[name] if name in _NAMED and shown in ("text", {}) else shown


def _typed(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON is whatever it is
    kind = schema.get("type")
    if kind == "object":
        return {name: _field(name, inner, schemas) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema["items"], schemas)] if "items" in schema else []
    if kind == "string":
        return _TEXTS.get(schema.get("format", ""), _EMPTY["string"])
    return max(_EMPTY[kind], schema.get("minimum", 0)) if kind == "integer" else _EMPTY.get(kind or "null")
