"""What a connection is to a store: the type, how each one is set up, and which of its errors mean "not now".

Never decides what to run. Where to read next: `database`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_JSONB_VERSION: Final = b"\x01"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

ABSENT_ERRORS: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutting down, starting up, or the statement timeout
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # the server we knew became a standby
    ConnectionError,
    TimeoutError,
    OSError,
)
"""The database did not answer, or could not: the same request may work a little later."""

COLLISION_ERRORS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""Two transactions were in each other's way and this one was undone: repeating it is safe."""


def columns(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Rows, of which there is at least one, column by column: the arrays that a statement takes for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)]


def _encode_jsonb(value: object) -> bytes:
    return _JSONB_VERSION + _encoder.encode(value)


def _decode_jsonb(data: bytes) -> Any:  # noqa: ANN401 - JSON is whatever it is
    return _decoder.decode(memoryview(data)[1:])


async def prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Sets a new connection up: `jsonb` columns come and go as plain Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )
