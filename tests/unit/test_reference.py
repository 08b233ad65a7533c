"""What the OpenAPI document says of the fields of models, and by which names it calls them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from clarion.entrypoints.http.field_texts import describe
from clarion.entrypoints.http.reference import document_of


class Plain(msgspec.Struct, rename="camel"):
    """What another extends."""

    long_name: int
    """Said below,
    on two lines."""


class Model(Plain, rename="camel"):
    """What is described."""

    own: Annotated[str, Meta(description="Said by the type.")]
    """Said below."""
    bare: int = 0


class Holder(msgspec.Struct):
    """Its field is described though only the holder is named."""

    inner: list[Model] | None


def test_a_field_is_described_by_what_stands_below_it_unless_its_type_says_more() -> None:
    _, schemas = msgspec.json.schema_components([Holder])
    describe([Holder], schemas, str)
    described = {name: one.get("description") for name, one in schemas["Model"]["properties"].items()}
    assert described == {"longName": "Said below, on two lines.", "own": "Said by the type.", "bare": None}


def test_no_name_of_a_schema_tells_in_which_module_it_is() -> None:
    assert not [name for name in document_of()["components"]["schemas"] if "." in name]
