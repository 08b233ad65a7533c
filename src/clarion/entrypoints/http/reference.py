"""The OpenAPI document at `/openapi.json` and the reference at `/docs`, both made once from the declarations.

Both need no key and say nothing about any account. Read `openapi` and `reference_page` for how they are made.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Response, get

from clarion.entrypoints.http.api import OPERATIONS
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.openapi import document
from clarion.entrypoints.http.reference_page import render
from clarion.entrypoints.http.trace import current

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_STYLE_FILE: Final = Path(__file__).with_name("reference.css")
_CACHED: Final = {"Cache-Control": "public, max-age=300"}


@lru_cache
def document_of() -> dict[str, Any]:
    """The OpenAPI document of every operation there is."""
    return document(handler.opt["operation"] for handler in OPERATIONS)


@lru_cache
def _document_bytes() -> bytes:
    return msgspec.json.encode(document_of())


@lru_cache
def _page() -> str:
    return render(document_of())


@lru_cache
def _style() -> str:
    return _STYLE_FILE.read_text("utf-8")


@get("/openapi.json", include_in_schema=False)
async def openapi_json() -> Response[bytes]:
    """The document itself."""
    current().route = "/openapi.json"
    return Response(_document_bytes(), media_type=JSON, headers=_CACHED)


@get("/docs", include_in_schema=False)
async def docs() -> Response[str]:
    """The reference as one page, readable without scripts."""
    current().route = "/docs"
    headers = {**_CACHED, "Content-Security-Policy": _POLICY}
    return Response(_page(), media_type="text/html", headers=headers)


@get("/docs/reference.css", include_in_schema=False)
async def style() -> Response[str]:
    """The look of the reference."""
    current().route = "/docs/reference.css"
    return Response(_style(), media_type="text/css", headers=_CACHED)


ROUTES = [openapi_json, docs, style]
