"""The reference as HTML, rendered from the OpenAPI document. No scripts: sections open and close by themselves.

Owns the HTML, never the facts: those are in the document. The look is `reference.css`.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any, Final

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_CODE = re.compile(r"`([^`]+)`")

Node = dict[str, Any]


def render(document: Node) -> str:
    """The whole page."""
    sections = [_section(tag, document) for tag in document["tags"]]
    menu = "".join(_menu(tag, document) for tag in document["tags"])
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="stylesheet" href="/docs/reference.css"></head><body>'
        f'<nav aria-label="Operations"><p class="brand">{escape(info["title"])} '
        f"<small>{escape(info['version'])}</small></p>"
        f'{menu}<p><a href="#schemas">Schemas</a></p><p><a href="/openapi.json">openapi.json</a></p></nav>'
        f"<main><h1>{escape(info['title'])} API</h1>{_prose(info['description'])}{''.join(sections)}"
        f'<section id="schemas"><h2>Schemas</h2>{_schemas(document)}</section></main></body></html>'
    )


def _operations(tag: str, document: Node) -> list[tuple[str, str, Node, list[Node]]]:
    return [
        (method, path, item[method], item.get("parameters", []))
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item and tag in item[method]["tags"]
    ]


def _menu(tag: Node, document: Node) -> str:
    links = "".join(
        f'<li><a href="#{operation["operationId"]}"><b class="{method}">{method}</b> '
        f"{escape(operation['summary'])}</a></li>"
        for method, _, operation, _ in _operations(tag["name"], document)
    )
    return f'<details open><summary><a href="#{tag["name"]}">{tag["name"]}</a></summary><ul>{links}</ul></details>'


def _section(tag: Node, document: Node) -> str:
    shown = "".join(_operation(document, *found) for found in _operations(tag["name"], document))
    return f'<section id="{tag["name"]}"><h2>{tag["name"]}</h2>{_prose(tag["description"])}{shown}</section>'


def _operation(document: Node, method: str, path: str, operation: Node, shared: list[Node]) -> str:
    parameters = [*shared, *(_resolve(parameter, document) for parameter in operation["parameters"])]
    return (
        f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
        f'<p class="path"><b class="{method}">{method}</b> <code>{_broken(path)}</code></p>'
        f"{_prose(operation['description'])}{_parameters(parameters)}{_body(operation)}"
        f"{_responses(operation, document)}{_curl(method, path, operation)}</article>"
    )


def _broken(path: str) -> str:
    return escape(path).replace("/", "<wbr>/")


def _resolve(node: Node, document: Node) -> Node:
    if "$ref" not in node:
        return node
    found: Any = document
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**found, **{key: value for key, value in node.items() if key != "$ref"}}


def _parameters(parameters: list[Node]) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(p['name'])}</code></th>"
        f"<td>{p['in']}{'' if p['required'] else ', optional'}</td>"
        f"<td><code>{_type(p['schema'])}</code></td><td>{_inline(p['description'])}</td></tr>"
        for p in parameters
    )
    head = "<tr><th scope=col>Name</th><th scope=col>In</th><th scope=col>Type</th><th scope=col>About</th></tr>"
    return f'<details><summary>Parameters</summary><div class="wide"><table>{head}{rows}</table></div></details>'


def _body(operation: Node) -> str:
    body = operation.get("requestBody")
    if not body:
        return ""
    examples = "".join(_content(kind, media) for kind, media in body["content"].items())
    need = "" if body["required"] else " <small>optional</small>"
    return f"<details open><summary>Request body{need}</summary>{examples}</details>"


def _content(kind: str, media: Node) -> str:
    example = media.get("example")
    shown = "" if example is None else f"<pre tabindex=0>{escape(_text(example))}</pre>"
    return f"<p><code>{escape(kind)}</code> {_link(media['schema'])}</p>{shown}"


def _text(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _responses(operation: Node, document: Node) -> str:
    return "".join(_response(status, _resolve(node, document)) for status, node in operation["responses"].items())


def _response(status: str, response: Node) -> str:
    contents = "".join(_content(kind, media) for kind, media in response["content"].items())
    kind = "good" if status < "300" else "bad"
    opened = " open" if kind == "good" else ""
    return (
        f'<details{opened} class="{kind}"><summary><b>{status}</b> {_inline(response["description"])}</summary>'
        f"{contents}</details>"
    )


def _curl(method: str, path: str, operation: Node) -> str:
    lines = [f'curl -X {method.upper()} "$CLARION{path}"']
    if "security" not in operation:  # a dialect says itself how its callers prove who they are
        lines.append('  -H "Authorization: Bearer $CLARION_KEY"')
    content = operation.get("requestBody", {}).get("content", {})
    for kind, media in list(content.items())[:1]:
        lines.append(f"  -H 'Content-Type: {kind}'")
        example = media.get("example")
        if isinstance(example, str):
            lines.append("  --data-binary @contacts.csv")
        elif example:
            lines.append("  -d '" + json.dumps(example, ensure_ascii=False).replace("'", "'\\''") + "'")
    command = " \\\n".join(lines)
    return f"<details><summary>curl</summary><pre tabindex=0>{escape(command)}</pre></details>"


def _schemas(document: Node) -> str:
    shown = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if not name.endswith("SuccessResponse")
    }
    return "".join(_schema(name, schema) for name, schema in sorted(shown.items()))


def _schema(name: str, schema: Node) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><th scope=row><code>{escape(field)}</code></th><td><code>{_type(inner)}</code></td>"
        f"<td>{'required' if field in required else ''}</td><td>{_inline(_about(inner))}</td></tr>"
        for field, inner in schema.get("properties", {}).items()
    )
    table = f'<div class="wide"><table>{rows}</table></div>' if rows else f"<p><code>{_type(schema)}</code></p>"
    return f'<article id="schema-{name}"><h3>{name}</h3>{_prose(schema.get("description", ""))}{table}</article>'


def _about(schema: Node) -> str:
    found = [schema.get("description", "")]
    found += [option.get("description", "") for option in schema.get("anyOf", [])]
    return " ".join(filter(None, found))


def _type(schema: Node) -> str:
    if "$ref" in schema:
        return _link(schema)
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(escape(json.dumps(option)) for option in schema["enum"])
    if "const" in schema:
        return escape(json.dumps(schema["const"]))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]{_limits(schema)}"
    return escape(str(schema.get("format") or schema.get("type") or "any")) + _limits(schema)


_LIMITS: Final = (
    ("minLength", "maxLength", "characters"), ("minimum", "maximum", ""), ("minItems", "maxItems", "items"),
)  # fmt: skip


def _limits(schema: Node) -> str:
    for low, high, unit in _LIMITS:
        if low in schema or high in schema:
            return f" {schema.get(low, 0)} to {schema.get(high, '…')} {unit}".rstrip()
    return ""


def _link(schema: Node) -> str:
    if "$ref" not in schema:
        return ""
    name = schema["$ref"].rpartition("/")[2]
    shown = name.removesuffix("SuccessResponse")
    target = name if shown in ("", name) else shown
    return f'<a href="#schema-{target}">{name}</a>'


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.strip().split("\n\n") if part)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
