"""Announcements: which batches are picked for the queue between machines next, and which must be said again.

Never leases a batch and never sends one; that is `claiming`. Where to read next: `pipeline/announcing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from clarion.adapters.postgres.claiming import UPCOMING
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.announcements import Announced
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id

STALE: Final = timedelta(seconds=20)
"""An announcement that nobody followed for so long is said again. The queue keeps none for longer."""

_OPEN: Final = """
(b.announced_at IS NULL OR b.announced_at <= now() - $4::interval)
AND l.channel = $5 AND l.sender_id NOT IN (SELECT sender_id FROM crowded)
"""

# index: batch_announced for those still open, then what UPCOMING names, then batch_pkey. Its commit does not wait for
# the disk: an announcement that the database forgot is made twice, which is harmless.
_PICK: Final = f"""
WITH hurried AS (
    SELECT set_config('synchronous_commit', 'off', true)
), crowded AS (
    SELECT r.sender_id FROM batch AS b JOIN run AS r ON r.id = b.run_id
    WHERE b.lane = $1 AND b.announced_at > now() - $4::interval
    GROUP BY r.sender_id HAVING count(*) >= $3
), upcoming AS (
    {UPCOMING.format(lane="$1", limit="$2::int", condition=_OPEN)}
), next AS (
    SELECT b.run_id, b.no, u.sender_id, u.place
    FROM (SELECT *, row_number() OVER () AS place FROM upcoming) AS u
    JOIN batch AS b ON b.run_id = u.run_id AND b.no = u.no AND b.epoch = u.epoch AND b.worker IS NULL
    FOR UPDATE OF b SKIP LOCKED
), picked AS (
    UPDATE batch AS b SET announced_at = now() FROM next AS n
    WHERE b.run_id = n.run_id AND b.no = n.no
    RETURNING b.run_id, b.no, b.epoch, n.sender_id, n.place
)
SELECT run_id, no, epoch, sender_id, EXISTS (SELECT FROM crowded) AS is_crowded
FROM hurried LEFT JOIN picked ON true ORDER BY place
"""

# index: batch_pkey.
_TAKE_BACK: Final = """
UPDATE batch AS b SET announced_at = NULL
FROM unnest($1::bytea[], $2::int[], $3::int[]) AS a (run_id, no, epoch)
WHERE b.run_id = a.run_id AND b.no = a.no AND b.epoch = a.epoch AND b.worker IS NULL
"""

# index: batch_pkey, run_pkey. What could be claimed and was not, of a sender that takes nothing now say, stays
# announced until that is stale: else it would go round and round.
_PUT_OFF: Final = """
UPDATE batch AS b SET announced_at = NULL
FROM run AS r
WHERE b.run_id = $1 AND b.no = $2 AND b.epoch = $3 AND b.worker IS NULL
  AND r.id = b.run_id AND (r.state <> 'sending' OR b.due_at > now())
"""

# index: batch_announced, run_pkey.
_FORGET: Final = """
UPDATE batch AS b SET announced_at = NULL FROM run AS r
WHERE b.lane = $1 AND b.announced_at IS NOT NULL AND r.id = b.run_id AND r.channel = $2
"""


class AnnouncementStore:
    """Implements `application.ports.announcements.Announcements` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def pick(self, lane: Lane, channel: ChannelName, limit: int, per_sender: int) -> tuple[list[Announced], bool]:
        """Marks the next due batches of a lane on one channel as announced; tells whether a sender was passed over."""
        rows = await self._connection.fetch(_PICK, lane, limit, per_sender, STALE, channel)
        picked = [
            Announced(Id(row["run_id"]), row["no"], row["epoch"], Id(row["sender_id"]))
            for row in rows
            if row["run_id"] is not None
        ]
        return picked, any(row["is_crowded"] for row in rows)

    async def take_back(self, announced: Sequence[Announced]) -> None:
        """Makes batches as if they had never been announced."""
        await self._connection.execute(
            _TAKE_BACK, [a.run_id for a in announced], [a.no for a in announced], [a.epoch for a in announced]
        )

    async def put_off(self, announced: Announced) -> None:
        """Takes an announcement back that cannot be followed yet."""
        await self._connection.execute(_PUT_OFF, announced.run_id, announced.no, announced.epoch)

    async def forget(self, lane: Lane, channel: ChannelName) -> None:
        """Takes back everything announced in a lane on one channel."""
        await self._connection.execute(_FORGET, lane, channel)
