"""Imports: a file of contacts streamed in the body, its progress, and the rows that were refused.

Stores the body as it comes and never looks inside it; merging is `pipeline.importing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Response
from litestar.response import Stream
from msgspec import Meta

from clarion.application.imports import (
    abandon,
    append_chunk,
    finish_receiving,
    get_import,
    list_imports,
    list_rejections,
    open_import,
)
from clarion.application.ports import Transaction
from clarion.application.ports.replies import Reply
from clarion.domain.access import Permission
from clarion.domain.contact_import import CHUNK_LIMIT, Import, ImportFormat, ImportState, Rejection
from clarion.domain.errors import ClarionError, Invalid, Problem
from clarion.domain.group import GROUP_NAME_LIMIT
from clarion.domain.ids import Id
from clarion.entrypoints.http.api.paging import HexId, Page, PageQuery, after_id, hex_or_none, page
from clarion.entrypoints.http.csv_cells import CSV, csv_download, write_rows
from clarion.entrypoints.http.envelope import JSON, succeeded
from clarion.entrypoints.http.errors import UnsupportedMediaType
from clarion.entrypoints.http.idempotency import claimed, reply_key, settle
from clarion.entrypoints.http.operation import Call, Nothing, direct_operation, operation, respond
from clarion.entrypoints.http.requests import content_type, stream_body
from clarion.failpoints import failpoint

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_FORMATS: Final = {
    "text/csv": ImportFormat.CSV,
    "application/x-ndjson": ImportFormat.NDJSON,
    "application/jsonl": ImportFormat.NDJSON,
}
_ROWS_AT_ONCE: Final = 1000


class ImportView(msgspec.Struct, rename="camel"):
    """An import. Its contacts appear all at once when it is `completed`; a `failed` one left nothing behind."""

    id: HexId
    state: ImportState
    format: ImportFormat
    group: str | None
    group_id: HexId | None
    problem: str | None
    bytes_received: int
    rows_read: int
    rows_created: int
    rows_updated: int
    rows_rejected: int
    created_at: datetime
    received_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, stored: Import) -> ImportView:
        """The import as callers see it."""
        return cls(
            id=stored.id.hex(),
            state=stored.state,
            format=stored.format,
            group=stored.group_name,
            group_id=hex_or_none(stored.group_id),
            problem=stored.problem,
            bytes_received=stored.bytes_received,
            rows_read=stored.rows_read,
            rows_created=stored.rows_created,
            rows_updated=stored.rows_updated,
            rows_rejected=stored.rows_rejected,
            created_at=stored.created_at,
            received_at=stored.received_at,
            finished_at=stored.finished_at,
        )


class ImportQuery(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Where the contacts go."""

    group: (
        Annotated[str, Meta(min_length=1, max_length=GROUP_NAME_LIMIT, description="Name of the group they join.")]
        | None
    ) = None


class RejectionsQuery(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """How to write the cells."""

    raw: Annotated[bool, Meta(description="Leave cells that look like formulas as they are.")] = False


async def _find(tx: Transaction, call: Call[Any, Any]) -> Import:
    return await get_import(tx, account_id=call.account_id, import_id=call.id("importId", "import"))


@direct_operation(
    name="createImport", method="POST", path="/imports", tag="imports", permission=Permission.CONTACTS_WRITE,
    summary="Import contacts",
    description=(
        "Stream a file in the body: CSV with a header row, or one JSON object a line. Header names map to fields; "
        "unknown columns become attributes. Poll the import until it is `completed` or `failed`. "
        "A file has at most 2 GiB (`CLARION_MAX_IMPORT_BYTES`) and 200 columns, a cell at most 64 kB, a row 1 MB."
    ),
    body_types=tuple(_FORMATS), query=ImportQuery, data=ImportView, status=202,
)  # fmt: skip
async def receive(call: Call[None, ImportQuery]) -> Response[bytes]:
    """Stores the body piece by piece and answers when it is whole; merging it comes after."""
    format_ = _FORMATS.get(content_type(call.request))
    if format_ is None:
        raise UnsupportedMediaType(f"This path reads {', '.join(_FORMATS)}")
    key = reply_key(call.request, call.principal)
    seen = sha256(call.request.scope["query_string"] + b"\0")
    async with claimed(call.edge.database, key) as earlier:
        if earlier:
            async for piece in stream_body(call.request, call.edge.max_import_bytes):
                seen.update(piece)
            return respond(settle(earlier, seen.digest()))
        import_id = await _open(call, format_)
        async with _abandoned_on_error(call, import_id):
            await _store(call, import_id, seen)
            async with call.edge.database.transaction() as tx:
                stored = await finish_receiving(tx, account_id=call.account_id, import_id=import_id)
                reply = Reply(202, succeeded(ImportView.of(stored)), JSON)
                if key:
                    await tx.replies.keep(key, seen.digest(), reply)
    return respond(reply)


async def _open(call: Call[None, ImportQuery], format_: ImportFormat) -> Id:
    async with call.edge.database.transaction() as tx:
        opened = await open_import(tx, account_id=call.account_id, format_=format_, group_name=call.query.group)
    return opened.id


async def _store(call: Call[None, ImportQuery], import_id: Id, seen: Hash) -> None:
    number = 0
    async for piece in _regrouped(stream_body(call.request, call.edge.max_import_bytes)):
        seen.update(piece)
        async with call.edge.database.transaction() as tx:
            await append_chunk(tx, import_id=import_id, no=number, body=piece)
        failpoint("after_upload_piece")
        number += 1
    if number == 0:
        raise Invalid(Problem("body", "required", "is empty"))


async def _regrouped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces as they come off the socket, put together to the size in which they are stored."""
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while len(waiting) >= CHUNK_LIMIT:
            yield bytes(waiting[:CHUNK_LIMIT])
            del waiting[:CHUNK_LIMIT]
    if waiting:
        yield bytes(waiting)


@asynccontextmanager
async def _abandoned_on_error(call: Call[None, ImportQuery], import_id: Id) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        said = str(error) if isinstance(error, ClarionError) else "The upload was interrupted"
        with suppress(ClarionError):  # the sweep of silent imports ends it too
            async with call.edge.database.transaction() as tx:
                await abandon(tx, import_id=import_id, problem=said)
        raise


@operation(
    name="listImports", method="GET", path="/imports", tag="imports", permission=Permission.CONTACTS_READ,
    summary="List imports", description="In order of creation.", query=PageQuery, data=Page[ImportView],
)  # fmt: skip
async def list_all(tx: Transaction, call: Call[Nothing, PageQuery]) -> Page[ImportView]:
    """Reads one page."""
    imports = await list_imports(tx, account_id=call.account_id, after=after_id(call), limit=call.query.limit + 1)
    return page(call, imports, ImportView.of, lambda stored: stored.id)


@operation(
    name="getImport", method="GET", path="/imports/{importId}", tag="imports", permission=Permission.CONTACTS_READ,
    summary="Read an import", description="Its state, and its rows so far.", data=ImportView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> ImportView:
    """Reads one import."""
    return ImportView.of(await _find(tx, call))


@direct_operation(
    name="downloadRejections", method="GET", path="/imports/{importId}/rejections", tag="imports",
    permission=Permission.CONTACTS_READ, summary="Download the refused rows",
    description="Row number (the first data row is 1), field, rule and a sentence; the first 100,000 refused rows.",
    query=RejectionsQuery, downloads=(CSV,), find=_find,
)  # fmt: skip
async def rejections(call: Call[None, RejectionsQuery]) -> Stream:
    """Streams the refused rows."""
    async with call.edge.database.reading() as tx:
        stored = await _find(tx, call)
    return csv_download(_rejected_rows(call, stored.id), f"import-{stored.id.hex()}-rejections.csv")


async def _rejected_rows(call: Call[None, RejectionsQuery], import_id: Id) -> AsyncIterator[bytes]:
    yield write_rows([("row", "field", "rule", "message")])
    after = 0
    while True:
        async with call.edge.database.reading() as tx:
            rows = await list_rejections(
                tx, account_id=call.account_id, import_id=import_id, after_row=after, limit=_ROWS_AT_ONCE
            )
        if not rows:
            return
        yield write_rows(map(_rejection_cells, rows), raw=call.query.raw)
        after = rows[-1].row_no


def _rejection_cells(rejection: Rejection) -> tuple[object, ...]:
    return rejection.row_no, rejection.field, rejection.rule, rejection.message


ROUTES = [receive, list_all, read, rejections]
