"""The OpenAPI document at `/openapi.json` and the reference at `/docs`, both made once from the declarations.

Both need no key and say nothing about any account. Read `openapi` and `reference_page` for how they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from clarion.entrypoints.http.api import OPERATIONS
from clarion.entrypoints.http.dialect import Mounted
from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.openapi import document
from clarion.entrypoints.http.reference_page import render
from clarion.entrypoints.http.trace import current

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_STYLE_FILE: Final = Path(__file__).with_name("reference.css")
_CACHED: Final = {"Cache-Control": "public, max-age=300"}


def document_of(dialects: Sequence[Mounted] = ()) -> dict[str, Any]:
    """The OpenAPI document of every native operation there is, and of these dialects."""
    return document((handler.opt["operation"] for handler in OPERATIONS), dialects)


class Reference:
    """The pages of one application, made when they are first asked for."""

    def __init__(self, dialects: Sequence[Mounted]) -> None:
        self._dialects = dialects

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document_of(self._dialects)

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(self._document)

    @cached_property
    def _page(self) -> str:
        return render(self._document)

    @cached_property
    def _style(self) -> str:
        return _STYLE_FILE.read_text("utf-8")

    def routes(self) -> list[HTTPRouteHandler]:
        """The document, the page, and its look."""

        @get("/openapi.json", include_in_schema=False)
        async def openapi_json() -> Response[bytes]:
            current().route = "/openapi.json"
            return Response(self._json, media_type=JSON, headers=_CACHED)

        @get("/docs", include_in_schema=False)
        async def docs() -> Response[str]:
            current().route = "/docs"
            headers = {**_CACHED, "Content-Security-Policy": _POLICY}
            return Response(self._page, media_type="text/html", headers=headers)

        @get("/docs/reference.css", include_in_schema=False)
        async def style() -> Response[str]:
            current().route = "/docs/reference.css"
            return Response(self._style, media_type="text/css", headers=_CACHED)

        return [openapi_json, docs, style]
