"""The OpenAPI 3.1 document, written from the declarations of the operations and the models they name.

Nothing is described by hand twice: paths, permissions, bodies and statuses are what the routes themselves use. Served
by `reference`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

import clarion
from clarion.domain.access import Permission
from clarion.entrypoints.http.dialect import Mounted
from clarion.entrypoints.http.envelope import JSON, ErrorResponse, ValidationErrorResponse
from clarion.entrypoints.http.field_texts import describe
from clarion.entrypoints.http.openapi_dialects import dialect_parts
from clarion.entrypoints.http.operation import Nothing, Operation
from clarion.entrypoints.http.samples import sample

Schema = dict[str, Any]

_TAGS: Final = {
    "contacts": "People: addresses, attributes, language, time zone and consent.",
    "devices": "Where push messages reach a contact.",
    "fields": "What attributes of contacts are called, and which values they take.",
    "groups": "Static sets of contacts.",
    "segments": "Stored rules that select contacts.",
    "imports": "Many contacts at once, streamed from a file.",
    "senders": "Configured ways out: mail servers, message centres, and providers of SMS and push.",
    "campaigns": "What to say, to whom and when; and everything that happens to it.",
    "executions": "Calls that set messages going: with recipients of their own, or for an audience.",
    "runs": "Executions of a campaign, and each recipient of them.",
    "inbound messages": "What people wrote to us.",
    "suppressions": "Addresses that must not be written to.",
    "notices": "What the people of the account should hear of without asking.",
    "keys": "API keys.",
    "account": "The settings of the account itself.",
}

_ABOUT: Final = """\
Every answer has the envelope `{success, data, error, traceId}`; the same trace id is in the header `X-Trace-Id` and in
the server's log. Send an API key as `Authorization: Bearer …` or `X-API-Key: …`; each operation names the permission it
needs. Every POST takes an `Idempotency-Key`: sent again within 24 hours with the same body, it does nothing and gets
the first answer, byte for byte. Lists are pages with a signed cursor. Times are ISO 8601 in UTC. JSON is read strictly:
duplicate keys, unknown fields, NaN and numbers beyond 64 bits are refused, and a refusal names every field and rule.
A JSON body has at most 1 MiB (`CLARION_MAX_BODY_BYTES`) and 32 levels, a query 50 parameters. In the examples
`$CLARION` is where this server is, such as `http://127.0.0.1:8480`, and `$CLARION_KEY` an API key.
"""

_ERRORS: Final[dict[int, tuple[str, str, str]]] = {
    400: ("Malformed", "VALIDATION_ERROR", "The request cannot be read: broken JSON, a wrong type."),
    401: ("Unauthenticated", "UNAUTHENTICATED", "No usable API key came with the request."),
    403: ("Forbidden", "FORBIDDEN", "The key lacks the permission, or has no access to that account group."),
    404: ("NotFound", "NOT_FOUND", "No such object here; another account's is answered in exactly this way."),
    408: ("Timeout", "REQUEST_TIMEOUT", "The body did not arrive in time."),
    409: ("Conflict", "IDEMPOTENCY_IN_PROGRESS", "The stored state does not allow it, or the same key is in progress."),
    413: ("TooLarge", "TOO_LARGE", "The body is larger than the limit."),
    415: ("UnsupportedMediaType", "UNSUPPORTED_MEDIA_TYPE", "The body came in another content type."),
    422: ("Invalid", "VALIDATION_ERROR", "The request is readable but breaks rules; every one is named."),
    429: ("RateLimited", "RATE_LIMITED", "Too many requests with this key. Nothing was changed."),
    500: ("InternalError", "INTERNAL_ERROR", "Our fault; the trace id finds it in the log."),
    502: ("UpstreamFailed", "UPSTREAM_FAILED", "The service a sender points at refused or cannot be reached."),
    503: ("Unavailable", "UNAVAILABLE", "A part we need does not answer. Nothing was changed; try again."),
}
_ALWAYS: Final = (400, 401, 403, 422, 429, 500, 503)
_WITH_BODY: Final = (408, 413, 415)
_ID: Final = "507f1f77bcf86cd799439011"


def document(operations: Iterable[Operation], dialects: Sequence[Mounted] = ()) -> Schema:
    """The whole document: the native operations, then each dialect's."""
    declared = list(operations)
    references, schemas = _schemas(declared)
    spoken = [dialect_parts(dialect) for dialect in dialects]
    paths: dict[str, Schema] = {}
    for operation in declared:
        item = paths.setdefault(operation.full_path, {"parameters": _path_parameters(operation.full_path)})
        item[operation.method.lower()] = _operation(operation, references, schemas)
    for parts in spoken:
        for path, item in parts.paths.items():
            paths.setdefault(path, {}).update(item)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Clarion",
            "version": clarion.__version__,
            "summary": "A self-hosted campaign engine.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()]
        + [parts.tag for parts in spoken],
        "paths": paths,
        "components": {
            "schemas": schemas | {name: schema for parts in spoken for name, schema in parts.schemas.items()},
            "responses": {name: _error_response(status) for status, (name, _, _) in _ERRORS.items()},
            "headers": {"TraceId": {"description": "The trace id of this request.", "schema": {"type": "string"}}},
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": _permissions()},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _permissions()},
                **{name: scheme for parts in spoken for name, scheme in parts.security.items()},
            },
        },
    }


_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes it safe to send this request again; 1 to 255 printable ASCII characters.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}


def _permissions() -> str:
    return "Permissions: " + ", ".join(f"`{permission}`" for permission in Permission)


def _schemas(operations: list[Operation]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The reference to each model, and all of them under the names the document uses."""
    models: list[Any] = [ErrorResponse, ValidationErrorResponse]
    for operation in operations:
        models += [model for model in (operation.body, operation.data) if model is not None and model not in models]
    references, components = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    renamed = _renamed({"references": list(references), "components": components})
    schemas: dict[str, Schema] = {_public_name(name): schema for name, schema in renamed["components"].items()}
    for schema in schemas.values():
        if "title" in schema:
            schema["title"] = _public_name(schema["title"])
        schema.get("properties", {}).pop("trace_id", None)
    describe(models, schemas, _public_name)
    return dict(zip(models, renamed["references"], strict=True)), schemas


def _public_name(name: str) -> str:
    page = re.fullmatch(r"Page[_\[](\w+?)[_\]]", name)
    return f"{page[1].removesuffix('View')}Page" if page else name.removesuffix("View")


def _renamed(node: Any) -> Any:  # noqa: ANN401 - JSON is whatever it is
    if isinstance(node, dict):
        return {key: _reference(value) if key == "$ref" else _renamed(value) for key, value in node.items()}
    return [_renamed(child) for child in node] if isinstance(node, list) else node


def _reference(target: str) -> str:
    place, _, name = target.rpartition("/")
    return f"{place}/{_public_name(name)}"


def _path_parameters(path: str) -> list[Schema]:
    return [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]


_PATH_EXAMPLES: Final = {
    "deliveryId": f"{_ID}-1", "suppressionId": "ZW1haWwAYWRhQGxvdmVsYWNlLmV4YW1wbGU", "fieldKey": "joined_on"
}  # fmt: skip


def _path_parameter(name: str) -> Schema:
    kind = re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Id").removesuffix("Key")).lower()
    mark = "Key" if name.endswith("Key") else "Id"
    schema: Schema = {"type": "string", "minLength": 1, "examples": [_PATH_EXAMPLES.get(name, _ID)]}
    return {"name": name, "in": "path", "required": True, "description": f"{mark} of the {kind}.", "schema": schema}


def _operation(operation: Operation, references: dict[Any, Schema], schemas: dict[str, Schema]) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description}\n\nNeeds the permission `{operation.permission}`.",
        "x-permission": str(operation.permission),
        "parameters": _query_parameters(operation.query),
        "responses": _responses(operation, references, schemas),
    }
    if operation.method == "POST":
        described["parameters"].append({"$ref": "#/components/parameters/IdempotencyKey"})
    if operation.method not in ("GET", "DELETE"):
        described["requestBody"] = _request_body(operation, references, schemas)
    return described


def _query_parameters(query: type) -> list[Schema]:
    if query is Nothing:
        return []
    _, components = msgspec.json.schema_components([query])
    properties = components[query.__name__]["properties"]
    return [_query_parameter(name, schema, components) for name, schema in properties.items()]


def _query_parameter(name: str, schema: Schema, components: dict[str, Schema]) -> Schema:
    options = [option for option in schema.get("anyOf", [schema]) if option != {"type": "null"}]
    found = dict(options[0])
    if "$ref" in found:
        target = components[found["$ref"].rpartition("/")[2]]
        found = {key: value for key, value in target.items() if key not in ("title", "description")}
    about = found.pop("description", "")
    if schema.get("default") is not None:
        found["default"] = schema["default"]
    if isinstance(found.get("enum"), list):
        found["enum"] = [option for option in found["enum"] if option is not None]
    return {"name": name, "in": "query", "required": False, "description": about, "schema": found}


def _request_body(operation: Operation, references: dict[Any, Schema], schemas: dict[str, Schema]) -> Schema:
    if operation.body_types != (JSON,):
        text = {"schema": {"type": "string"}}
        return {"required": True, "content": {kind: {**text, **_file_example(kind)} for kind in operation.body_types}}
    if operation.body is None:
        empty = {"type": "object", "additionalProperties": False}
        return {"required": False, "content": {JSON: {"schema": empty, "example": {}}}}
    schema = references[operation.body]
    required = bool(schemas[schema["$ref"].rpartition("/")[2]].get("required"))
    return {"required": required, "content": {JSON: {"schema": schema, "example": sample(schema, schemas)}}}


def _file_example(kind: str) -> Schema:
    if kind == "text/csv":
        return {"example": "email,firstName,city\r\nada@lovelace.example,Ada,London\r\n"}
    return {"example": '{"email": "ada@lovelace.example", "firstName": "Ada"}\n'}


def _responses(operation: Operation, references: dict[Any, Schema], schemas: dict[str, Schema]) -> Schema:
    errors = {*_ALWAYS, *(status for status in operation.statuses if status >= 400)}
    if operation.path.count("{"):
        errors.add(404)
    if operation.method not in ("GET", "DELETE"):
        errors.update(_WITH_BODY)
    if operation.method == "POST":
        errors.add(409)
    successes = {operation.status: operation.summary, **{s: t for s, t in operation.statuses.items() if s < 400}}
    found = {
        str(status): _success(operation, about, references, schemas) for status, about in sorted(successes.items())
    }
    for status in sorted(errors):
        found[str(status)] = _error(status, operation.statuses.get(status))
    return found


def _success(operation: Operation, about: str, references: dict[Any, Schema], schemas: dict[str, Schema]) -> Schema:
    content: Schema = {}
    if operation.data is not None:
        content[JSON] = {"schema": (schema := _enveloped(references[operation.data], schemas))}
        content[JSON]["example"] = sample(schema, schemas)
    for kind in operation.downloads:
        content[kind] = {"schema": {"type": "string"}}
    return {"description": about, "headers": _HEADERS, "content": content}


_HEADERS: Final = {"X-Trace-Id": {"$ref": "#/components/headers/TraceId"}}


def _enveloped(data: Schema, schemas: dict[str, Schema]) -> Schema:
    """The named schema of a success with this data."""
    name = data["$ref"].rpartition("/")[2] + "SuccessResponse"
    schemas[name] = {
        "title": name,
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": data,
            "error": {"type": "null"},
            "traceId": {"type": "string", "pattern": "^[0-9a-f]{24}$", "examples": [_ID]},
        },
        "required": ["success", "data", "error", "traceId"],
        "additionalProperties": False,
    }
    return {"$ref": f"#/components/schemas/{name}"}


def _error(status: int, about: str | None) -> Schema:
    name = _ERRORS[status][0]
    reference: Schema = {"$ref": f"#/components/responses/{name}"}
    return {**reference, "description": about} if about else reference


def _error_response(status: int) -> Schema:
    _, code, about = _ERRORS[status]
    is_validation = code == "VALIDATION_ERROR"
    schema: Schema = {"$ref": f"#/components/schemas/{'ValidationErrorResponse' if is_validation else 'ErrorResponse'}"}
    if status == 422:  # a reused Idempotency-Key is no list of problems
        schema = {"anyOf": [schema, {"$ref": "#/components/schemas/ErrorResponse"}]}
    error: Schema = {"code": code, "message": about, "details": ""}
    if is_validation:
        problem = {"field": "name", "rule": "required", "message": "is required"}
        error = {**error, "details": "name: required: is required", "problems": [problem]}
    headers: Schema = dict(_HEADERS)
    if status in (429, 503):
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    example = {"success": False, "data": None, "error": error, "traceId": _ID}
    return {"description": about, "headers": headers, "content": {JSON: {"schema": schema, "example": example}}}
