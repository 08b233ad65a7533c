"""Stores inbound messages, in the order they came, and the few things that follow from one.

Never decides what a word means. Erasing a contact removes its messages in `application.contacts`. Where to read next:
`pipeline/inbound`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from clarion.adapters.postgres.connection import Connection, columns
from clarion.adapters.postgres.receipts import BY_KEY
from clarion.application.ports.inbound import InboundAsked, Unread
from clarion.application.ports.receipts import Inbound
from clarion.domain.ids import Id, new_ids
from clarion.domain.inbound import InboundMessage
from clarion.domain.keywords import Keyword

# index: sender_pkey, inbound_message_sender_id_event_id_key. In the order of their names, so that two who are told the
# same cannot lock each other out.
_KEEP: Final = """
INSERT INTO inbound_message (id, account_id, sender_id, event_id, address, sent_to, text, occurred_at)
SELECT m.id, s.account_id, m.sender_id, m.event_id, m.address, m.sent_to, m.text, m.occurred_at
FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    AS m (id, sender_id, event_id, address, sent_to, text, occurred_at)
JOIN sender AS s ON s.id = m.sender_id
ORDER BY m.sender_id, m.event_id
ON CONFLICT (sender_id, event_id) DO NOTHING
"""

# index: inbound_message_unread.
_HAS_UNREAD: Final = "SELECT EXISTS (SELECT FROM inbound_message WHERE NOT is_read)"

# Whom to cancel is found by a partial index, all of which a plan that was made while it was empty would read.
_BY_KEY: Final = f"SELECT {BY_KEY}, set_config('plan_cache_mode', 'force_custom_plan', true)"

# index: inbound_message_unread, account_pkey, contact_by_phone, contact_identity_pkey. Whoever comes second waits for
# the first, so that of two words of one person the later one is obeyed last.
_UNREAD: Final = """
SELECT m.id, m.account_id, m.address, m.text, a.languages, coalesce(c.id, i.contact_id) AS contact_id
FROM (SELECT * FROM inbound_message WHERE NOT is_read ORDER BY id LIMIT $1 FOR UPDATE) AS m
JOIN account AS a ON a.id = m.account_id
LEFT JOIN LATERAL (
    SELECT id FROM contact WHERE account_id = m.account_id AND phone = m.address AND deleted_at IS NULL LIMIT 1
) AS c ON true
LEFT JOIN LATERAL (
    SELECT contact_id FROM contact_identity
    WHERE account_id = m.account_id AND namespace = 'phone' AND value = m.address LIMIT 1
) AS i ON true
ORDER BY m.id
"""

# index: inbound_message_pkey, contact_pkey.
_MARK_READ: Final = """
WITH read AS (
    UPDATE inbound_message AS m SET is_read = true, contact_id = g.contact_id, keyword = g.keyword
    FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS g (id, contact_id, keyword)
    WHERE m.id = g.id AND NOT m.is_read
    RETURNING m.contact_id, least(coalesce(m.occurred_at, m.received_at), m.received_at) AS written_at
)
UPDATE contact AS c SET last_seen_at = greatest(c.last_seen_at, seen.at)
FROM (SELECT contact_id, max(written_at) AS at FROM read WHERE contact_id IS NOT NULL GROUP BY contact_id) AS seen
WHERE c.id = seen.contact_id AND c.deleted_at IS NULL
"""

# index: contact_pkey, run_unfinished, campaign_pkey.
_ENDING: Final = """
SELECT r.id AS run_id, c.id AS contact_id
FROM contact AS c
JOIN run AS r ON r.account_id = c.account_id AND r.finished_at IS NULL AND r.test_address IS NULL
JOIN campaign AS g ON g.id = r.campaign_id AND g.auto_cancel_on_message_received
WHERE c.id = ANY($1::bytea[])
"""

# index: delivery_once_per_contact.
_CANCEL_WAITING: Final = """
UPDATE delivery AS d SET state = 'cancelled', reason = $3, changed_at = now()
FROM unnest($1::bytea[], $2::bytea[]) AS e (run_id, contact_id)
WHERE d.run_id = e.run_id AND d.contact_id = e.contact_id AND d.given IS NULL AND d.state = 'pending'
"""

# index: inbound_message_by_account, or inbound_message_by_contact.
_LIST: Final = """
SELECT id, sender_id, contact_id, address, sent_to, text, keyword, occurred_at, received_at FROM inbound_message
WHERE account_id = $1 AND id > $2{condition} ORDER BY id LIMIT $3
"""

# index: inbound_message_by_account, backwards.
_LIST_BACK: Final = """
SELECT id, sender_id, contact_id, address, sent_to, text, keyword, occurred_at, received_at FROM inbound_message
WHERE account_id = $1 AND is_read AND ($2::bytea IS NULL OR id < $2) AND ($4::bytea IS NULL OR id = $4)
    AND ($5::timestamptz IS NULL OR received_at >= $5) AND ($6::timestamptz IS NULL OR received_at <= $6)
ORDER BY id DESC LIMIT $3
"""

# index: inbound_message_by_contact.
_ERASE: Final = "DELETE FROM inbound_message WHERE contact_id = $1"


class InboundStore:
    """Implements `application.ports.inbound.InboundMessages` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keep(self, messages: Sequence[Inbound]) -> None:
        """Stores messages, all in one statement."""
        rows = [(id_, *message) for id_, message in zip(new_ids(len(messages)), messages, strict=True)]
        await self._connection.execute(_KEEP, *columns(rows))

    async def has_unread(self) -> bool:
        """Whether there is a message of which nothing has followed yet."""
        return bool(await self._connection.fetchval(_HAS_UNREAD))

    async def unread(self, limit: int) -> list[Unread]:
        """Locks messages of which nothing has followed yet."""
        await self._connection.execute(_BY_KEY)
        rows = await self._connection.fetch(_UNREAD, limit)
        return [Unread(**row) for row in rows]

    async def mark_read(self, read: Sequence[tuple[Id, Id | None, Keyword | None]]) -> None:
        """Writes down what became of messages, and when their contacts were last seen."""
        await self._connection.execute(_MARK_READ, *columns(read))

    async def cancel_waiting(self, contact_ids: Sequence[Id], reason: str) -> int:
        """Cancels what waits for these contacts in campaigns that end for whoever answers."""
        ending = await self._connection.fetch(_ENDING, list(contact_ids))
        if not ending:
            return 0
        status = await self._connection.execute(_CANCEL_WAITING, *columns(ending), reason)
        return int(status.rpartition(" ")[2])

    async def list_after(
        self, account_id: Id, after: Id | None, limit: int, contact_id: Id | None = None
    ) -> list[InboundMessage]:
        """Reads messages above a cursor."""
        condition, narrowed = ("", ()) if contact_id is None else (" AND contact_id = $4", (contact_id,))
        rows = await self._connection.fetch(
            _LIST.format(condition=condition), account_id, after or b"", limit, *narrowed
        )
        return [_message(row) for row in rows]

    async def list_before(
        self, account_id: Id, before: Id | None, limit: int, asked: InboundAsked
    ) -> list[InboundMessage]:
        """Reads messages below a cursor."""
        rows = await self._connection.fetch(_LIST_BACK, account_id, before, limit, *asked)
        return [_message(row) for row in rows]

    async def erase(self, contact_id: Id) -> None:
        """Forgets what a contact wrote."""
        await self._connection.execute(_ERASE, contact_id)


def _message(row: Any) -> InboundMessage:  # noqa: ANN401 - a driver's record
    return InboundMessage(
        id=row["id"],
        sender_id=row["sender_id"],
        contact_id=row["contact_id"],
        address=row["address"],
        sent_to=row["sent_to"],
        text=row["text"],
        keyword=row["keyword"] and Keyword(row["keyword"]),
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
    )
