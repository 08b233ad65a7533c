"""A dialect's part of the OpenAPI document, written from what its operations declare.

Its models and security schemes carry the dialect's name, so that two vendors' `Campaign` stand beside each other. Read
`openapi` for the whole document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from clarion.entrypoints.http.dialect import Answers, Dialect, Mounted, Parameter, Schema, Spoken
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.field_texts import describe
from clarion.entrypoints.http.samples import sample

_HEADERS: Schema = {"X-Trace-Id": {"$ref": "#/components/headers/TraceId"}}


@dataclass(frozen=True, slots=True)
class DialectParts:
    """What one dialect adds to the document."""

    tag: Schema
    paths: dict[str, Schema]
    schemas: dict[str, Schema]
    security: dict[str, Schema]


def dialect_parts(mounted: Mounted) -> DialectParts:
    """Everything the document says of this dialect."""
    dialect = mounted.dialect
    writer = _Writer(dialect)
    paths: dict[str, Schema] = {}
    for operation in dialect.operations:
        path = mounted.prefix + operation.path
        paths.setdefault(path, {})[operation.method.lower()] = writer.operation(operation)
    return DialectParts(
        tag={"name": dialect.name, "description": f"{dialect.title}. {dialect.about}"},
        paths=paths,
        schemas=writer.schemas,
        security={f"{dialect.name}.{name}": scheme for name, scheme in dialect.security.items()},
    )


class _Writer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        models: list[Any] = []
        for operation in dialect.operations:
            named = [operation.body, *(answer.model for answer in operation.answers.values())]
            models += [model for model in named if model is not None and model not in models]
        references, components = msgspec.json.schema_components(
            models, ref_template=f"#/components/schemas/{dialect.name}.{{name}}"
        )
        self._references = dict(zip(models, references, strict=True))
        self.schemas: dict[str, Schema] = {f"{dialect.name}.{name}": schema for name, schema in components.items()}
        describe(models, self.schemas, lambda name: f"{dialect.name}.{name}")

    def operation(self, operation: Spoken) -> Schema:
        described: Schema = {
            "operationId": operation.name,
            "tags": [self._dialect.name],
            "summary": operation.summary,
            "description": operation.description or operation.summary,
            "parameters": [
                *(_path_parameter(name, operation) for name in re.findall(r"{(\w+)}", operation.path)),
                *(_parameter(parameter) for parameter in operation.parameters),
            ],
            "responses": {str(status): self._answer(answers) for status, answers in sorted(operation.answers.items())},
            "security": [] if operation.is_public else self._security(),
        }
        if operation.body is not None:
            described["requestBody"] = self._body(operation)
        return described

    def _security(self) -> list[Schema]:
        names = [f"{self._dialect.name}.{name}" for name in self._dialect.security]
        if self._dialect.is_any_of:
            return [{name: []} for name in names]
        return [{name: [] for name in names}]

    def _body(self, operation: Spoken) -> Schema:
        schema = self._references[operation.body]
        example = operation.body_example
        if example is None:
            example = sample(schema, self.schemas)
        content = {kind: {"schema": schema, "example": example} for kind in operation.body_types}
        return {"required": operation.body_required, "content": content}

    def _answer(self, answers: Answers) -> Schema:
        described: Schema = {"description": answers.about, "headers": _HEADERS, "content": {}}
        if answers.model is not None:
            schema = self._references[answers.model]
            example = answers.example
            if example is None and answers.content_type == JSON:
                example = sample(schema, self.schemas)
            described["content"][answers.content_type] = {"schema": schema, "example": example}
        return described


def _path_parameter(name: str, operation: Spoken) -> Schema:
    schema = operation.path_schemas.get(name, {"type": "string", "minLength": 1})
    return {"name": name, "in": "path", "required": True, "description": f"The {name}.", "schema": schema}


def _parameter(parameter: Parameter) -> Schema:
    described: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described
