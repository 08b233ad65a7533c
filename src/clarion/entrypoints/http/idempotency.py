"""A POST that may be sent twice: with an `Idempotency-Key`, its effect happens once and its answer is replayed.

Work that fits one transaction keeps its reply in that transaction (`once`): both are there or neither. Work that uses
the network, or streams its body, is claimed first (`claimed`); a claim whose process died lapses by itself, and only
then may that work be done again. Answers that refuse a request are not kept, for nothing happened.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256

from clarion.application.ports import Database, Transaction
from clarion.application.ports.replies import Kept, Reply, ReplyKey
from clarion.application.ports.senders import Sealer
from clarion.domain.access import Principal
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.entrypoints.http.errors import KeyReused
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.trace import current
from clarion.failpoints import failpoint

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_PATH_LIMIT = 500
"""Characters: more than any path has that leads somewhere."""


def reply_key(request: Incoming, principal: Principal) -> ReplyKey | None:
    """The key of this request; None when it carries none.

    Raises `Invalid` unless it is 1 to 255 printable ASCII characters, given once; `NotFound` for a path that nothing
    can be at, and that could not be kept with the key.
    """
    given = request.headers.getall("idempotency-key", [])
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Invalid(Problem("header.Idempotency-Key", "pattern", "must be 1 to 255 printable ASCII characters, once"))
    path = request.scope["path"]
    if len(path) > _PATH_LIMIT or "\0" in path:
        raise NotFound("path")
    return ReplyKey(principal.key_id, path, given[0])


def digest(request: Incoming, body: bytes) -> bytes:
    """What a repeated request is compared by: its query and its body."""
    return sha256(request.scope["query_string"] + b"\0" + body).digest()


async def once(
    database: Database,
    key: ReplyKey | None,
    body_hash: bytes,
    work: Callable[[Transaction], Awaitable[Reply]],
    sealer: Sealer | None = None,
) -> Reply:
    """Does `work` in one transaction and keeps its reply there, or replays the reply of the first time.

    With a `sealer` the reply is kept encrypted, for it shows a secret.

    Raises `Conflict` while the first request is still worked on, `KeyReused` when the body is another one.
    """

    async def attempt(tx: Transaction) -> Reply:
        earlier = await _earlier(tx, key, body_hash) if key else None
        if earlier:
            return replace(earlier, body=sealer.open(earlier.body)) if sealer else earlier
        reply = await work(tx)
        if key:
            failpoint("before_reply_kept")
            kept = replace(reply, body=sealer.seal(reply.body)) if sealer else reply
            await tx.replies.keep(key, body_hash, kept)
        failpoint("before_api_commit")
        return reply

    reply = await database.retrying(attempt)
    failpoint("after_api_commit")
    return reply


async def _earlier(tx: Transaction, key: ReplyKey, body_hash: bytes) -> Reply | None:
    kept = await tx.replies.find(key) if await tx.replies.hold(key) else Kept(body_hash, None)
    return settle(kept, body_hash) if kept else None


def settle(kept: Kept, body_hash: bytes) -> Reply:
    """The reply to replay. Raises `Conflict` when there is none yet, `KeyReused` for another body."""
    if kept.reply is None:
        raise Conflict("IDEMPOTENCY_IN_PROGRESS", "The first request with this Idempotency-Key is still worked on")
    if kept.body_hash != body_hash:
        raise KeyReused("This Idempotency-Key came before with another body")
    current().replayed = True
    return kept.reply


@asynccontextmanager
async def claimed(database: Database, key: ReplyKey | None) -> AsyncIterator[Kept | None]:
    """Claims the key for work that no one transaction spans; gives what is known when it is not the first time.

    The caller ends the work with `keep`. When the work raises, the claim is released.
    """
    if key is None:
        yield None
        return
    async with database.transaction() as tx:
        kept = await tx.replies.find(key) if await tx.replies.hold(key) else Kept(b"", None)
        if kept is None:
            await tx.replies.claim(key, b"")
    if kept is not None and kept.reply is None:
        raise Conflict("IDEMPOTENCY_IN_PROGRESS", "The first request with this Idempotency-Key is still worked on")
    try:
        yield kept
    except BaseException:
        if kept is None:
            async with database.transaction() as tx:
                await tx.replies.release(key)
        raise
