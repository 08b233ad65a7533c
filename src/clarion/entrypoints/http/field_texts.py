"""What the source says below a field of a model, as that field's description in the OpenAPI document.

Owns where the text is found, never the text: it stands once, where the field does. Read `openapi` and
`openapi_dialects`, which ask for it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

Schema = dict[str, Any]


def describe(models: Iterable[Any], schemas: dict[str, Schema], name_of: Callable[[str], str]) -> None:
    """Gives each property of the models, and of those within, the text below its field. One it has already stays.

    `name_of` makes the name of a schema of the one that msgspec gives it.
    """
    for model in _structs(models):
        properties = schemas.get(name_of(_name(model)), {}).get("properties", {})
        texts = _texts(get_origin(model) or model)
        for field in msgspec.structs.fields(model):
            if field.name in texts and field.encode_name in properties:
                properties[field.encode_name].setdefault("description", texts[field.name])


def _structs(models: Iterable[Any]) -> Iterator[Any]:
    """Each model and each that one of its fields may hold, once."""
    waiting, seen = list(models), set()
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        if isinstance(get_origin(model) or model, type) and issubclass(get_origin(model) or model, msgspec.Struct):
            yield model
            waiting += [field.type for field in msgspec.structs.fields(model)]
        else:
            waiting += [inner for inner in get_args(model) if get_args(inner) or isinstance(inner, type)]


def _name(model: Any) -> str:  # noqa: ANN401 - a class, or a generic one with its arguments
    name = str((get_origin(model) or model).__name__)
    return f"{name}_{'_'.join(one.__name__ for one in get_args(model))}_" if get_args(model) else name


@cache
def _texts(model: type) -> dict[str, str]:
    """By field, the first string after it; those of a class that it extends too."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, msgspec.Struct) and owner is not msgspec.Struct:
            for node in ast.parse(textwrap.dedent(inspect.getsource(owner))).body:
                found |= dict(_below(node)) if isinstance(node, ast.ClassDef) else {}
    return found


def _below(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, " ".join(said.split())
