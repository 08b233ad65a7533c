"""Pace: bookings under limits, batches that wait for room, and what slows down and recovers. One statement a step.

The booking itself is the function `book` of migration 0005. Never decides who is too fast; that is `pipeline/pacing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Category
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.pace import NO_LIMITS, Booking, Limits, Waiting

# index: sender_pkey, account_pkey, pace_pkey by owner.
_LIMITS: Final = """
SELECT least(s.rate_per_second, a.rate_per_second, (
           SELECT min(slowed_rate(p, now())) FROM pace AS p WHERE p.owner IN (s.id, a.id) AND p.domain = '')) AS rate,
       s.daily_cap IS NOT NULL OR s.warm_up IS NOT NULL AS has_cap,
       ARRAY(SELECT jsonb_object_keys(s.domain_rates) UNION SELECT jsonb_object_keys(a.domain_rates)
             UNION SELECT domain FROM pace
                   WHERE owner IN (s.id, a.id) AND domain <> '' AND slowed_until > now()) AS domains
FROM sender AS s JOIN account AS a ON a.id = s.account_id
WHERE s.id = $1
"""

# index: pace_pkey, sender_pkey, account_pkey.
_BOOK: Final = "SELECT domain, room, refused_by, may_go, wait_s, held_by FROM book($1, $2, $3, $4, $5)"

# index: pace_pkey. A day that this cap had closed is open again, unless it was yesterday.
_GIVE_BACK: Final = """
UPDATE pace
SET used = used - $2,
    next_free_at = CASE WHEN next_free_at = (day + 1)::timestamp AT TIME ZONE 'UTC' THEN now() ELSE next_free_at END
WHERE owner = $1 AND domain = '' AND day = (now() AT TIME ZONE 'UTC')::date AND used >= $2
"""

# index: batch_pkey, then delivery_pkey by range. The run is locked before the batch, as whoever adds batches does. The
# epoch goes along: what an older holder still records of these deliveries must not match a later intent.
_SET_ASIDE: Final = """
WITH run_now AS (
    SELECT id, next_batch FROM run WHERE id = $1 FOR NO KEY UPDATE
), held AS (
    SELECT b.* FROM batch AS b JOIN run_now ON b.run_id = run_now.id
    WHERE b.no = $2 AND b.epoch = $3 AND b.worker IS NOT NULL FOR UPDATE OF b
), waiting AS (
    SELECT w.seq, w.owner, w.domain
    FROM unnest($4::int[], $5::bytea[], $6::text[]) AS w (seq, owner, domain)
    JOIN delivery AS d ON d.run_id = $1 AND d.seq BETWEEN $7 AND $8 AND d.seq = w.seq
    WHERE d.state = 'pending' AND EXISTS (SELECT FROM held)
), marked AS (
    UPDATE delivery AS d SET reason = $9, changed_at = now() FROM waiting AS w
    WHERE d.run_id = $1 AND d.seq BETWEEN $7 AND $8 AND d.seq = w.seq AND d.state = 'pending' AND d.reason IS NULL
), narrowed AS (
    UPDATE batch AS b SET seqs = ARRAY(
        SELECT unnest(coalesce(b.seqs, ARRAY(SELECT generate_series(b.first_seq, b.last_seq))))
        EXCEPT SELECT seq FROM waiting)
    FROM held WHERE b.run_id = held.run_id AND b.no = held.no
), placed AS (
    SELECT owner, domain, array_agg(seq ORDER BY seq) AS seqs, min(seq) AS first_seq, max(seq) AS last_seq,
           row_number() OVER (ORDER BY owner, domain)::int AS place
    FROM waiting GROUP BY owner, domain
), numbered AS (
    UPDATE run SET next_batch = next_batch + (SELECT count(*)::int FROM placed)
    WHERE id = $1 AND EXISTS (SELECT FROM placed)
)
INSERT INTO batch (run_id, no, lane, first_seq, last_seq, seqs, epoch, due_at, paced_by, paced_domain)
SELECT $1, run_now.next_batch - 1 + p.place, held.lane, p.first_seq, p.last_seq, p.seqs, held.epoch, 'infinity',
       p.owner, p.domain
FROM placed AS p, held, run_now
"""

# index: pace in full (a row a limit in use), batch_paced in the order in which batches are claimed. Of each limit the
# first few of the queue are looked at, and as many are due as have room in the next second; those that are due already,
# or in somebody's hands, count.
_LET_GO: Final = """
WITH free AS (
    SELECT owner, domain, rate FROM pace
    WHERE next_free_at <= now() + (domain = '')::int * interval '0.5 seconds'
), front AS (
    SELECT q.run_id, q.no, free.rate,
           sum(q.size) OVER (PARTITION BY owner, domain ORDER BY q.lane DESC, q.no, q.run_id) - q.size AS ahead
    FROM free, LATERAL (
        SELECT b.run_id, b.no, b.lane, cardinality(b.seqs) AS size
        FROM batch AS b JOIN run AS r ON r.id = b.run_id AND r.state = 'sending'
        WHERE b.paced_by = free.owner AND b.paced_domain = free.domain
          AND (b.due_at <= now() OR b.due_at = 'infinity')
        ORDER BY b.lane DESC, b.no, b.run_id LIMIT 20) AS q
), freed AS (
    UPDATE batch AS b SET due_at = now() FROM front AS f
    WHERE b.run_id = f.run_id AND b.no = f.no AND f.ahead < coalesce(f.rate, 'infinity')
      AND b.due_at = 'infinity' AND b.worker IS NULL
    RETURNING b.lane
)
SELECT (SELECT count(*) FROM freed) AS batches,
       (SELECT count(pg_notify('clarion_work', lane)) FROM (SELECT DISTINCT lane FROM freed) AS lanes)
"""

# index: run_unfinished, batch_pkey by run. A batch whose epoch is 0 was never begun.
_SPARE: Final = """
UPDATE run AS r SET deadline_at = now() + f.patience
FROM unnest($1::text[], $2::interval[]) AS f (category, patience)
WHERE r.finished_at IS NULL AND r.state = 'sending' AND r.category = f.category
  AND r.deadline_at < now() + f.patience * 0.75
  AND EXISTS (SELECT FROM batch AS b WHERE b.run_id = r.id AND (b.epoch = 0 OR b.due_at = 'infinity'))
RETURNING r.id
"""

# index: pace_pkey. What is on the wire while one halving takes hold must not cause the next. A slowed row is forgotten
# when it allows twice what it did at first.
_SLOW: Final = """
INSERT INTO pace AS p (owner, domain, slowed_rate, slowed_ceiling, slowed_from, slowed_until)
VALUES ($1, $2, $3::float8 / 2, $3, now(), now() + interval '180 seconds')
ON CONFLICT (owner, domain) DO UPDATE
SET (slowed_rate, slowed_ceiling, slowed_from, slowed_until) = (
    SELECT half, ceiling, now(), now() + 120 * (2 - half / ceiling) * interval '1 second'
    FROM (SELECT greatest(coalesce(slowed_rate(p, now()), $3) / 2, $4::float8) AS half,
                 CASE WHEN p.slowed_until > now() THEN p.slowed_ceiling ELSE $3 END AS ceiling) AS s)
WHERE p.slowed_from IS NULL OR p.slowed_from < now() - interval '2 seconds'
RETURNING owner
"""

# index: pace_pkey by owner.
_REOPEN: Final = "UPDATE pace SET next_free_at = least(next_free_at, now()) WHERE owner = $1"
_FORGET: Final = "DELETE FROM pace WHERE owner = $1"

LEAST_RATE: Final = 0.1
"""Messages a second below which nothing slows down by itself."""


class PaceStore:
    """Implements `application.ports.pace.Paces` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def limits(self, sender_id: Id) -> Limits:
        """What limits the mail of this sender now."""
        row = await self._connection.fetchrow(_LIMITS, sender_id)
        return Limits(row["rate"], row["has_cap"], frozenset(row["domains"])) if row else NO_LIMITS

    async def book(self, account_id: Id, sender_id: Id, wanted: Mapping[str, int], patience_s: float) -> Booking:
        """Books a window under every limit at once."""
        rows = await self._connection.fetch(
            _BOOK, account_id, sender_id, list(wanted), list(wanted.values()), patience_s
        )
        any_row = rows[0]
        return Booking(
            may_go=any_row["may_go"],
            wait_s=any_row["wait_s"],
            held_by=any_row["held_by"],
            room={row["domain"]: row["room"] for row in rows},
            refused_by={row["domain"]: Id(row["refused_by"]) for row in rows if row["refused_by"] is not None},
        )

    async def give_back(self, sender_id: Id, messages: int) -> None:
        """Returns messages to today's cap."""
        await self._connection.execute(_GIVE_BACK, sender_id, messages)

    async def set_aside(self, batch: ClaimedBatch, waiting: Sequence[Waiting]) -> None:
        """Moves deliveries of a held batch to batches that wait for their limits."""
        seqs = [one.seq for one in waiting]
        owners, domains = [one.owner for one in waiting], [one.domain for one in waiting]
        await self._connection.execute(
            _SET_ASIDE,
            batch.run_id,
            batch.no,
            batch.epoch,
            seqs,
            owners,
            domains,
            min(seqs),
            max(seqs),
            Reason.PACED,
        )

    async def let_go(self) -> int:
        """Makes due what has room now, and wakes the workers for it."""
        return int(await self._connection.fetchval(_LET_GO))

    async def spare(self, deadlines: Mapping[Category, timedelta]) -> int:
        """Moves the deadlines of runs that have not begun all they hold."""
        return len(await self._connection.fetch(_SPARE, list(deadlines), list(deadlines.values())))

    async def slow(self, owner: Id, domain: str, seen_rate: float) -> bool:
        """Halves what leaves here, unless that was done a moment ago."""
        rate = max(seen_rate, LEAST_RATE)
        return await self._connection.fetchval(_SLOW, owner, domain, rate, LEAST_RATE) is not None

    async def reopen(self, owner: Id) -> None:
        """Lets a changed limit hold at once."""
        await self._connection.execute(_REOPEN, owner)

    async def forget(self, owner: Id) -> None:
        """Removes what is known of a sender that is deleted."""
        await self._connection.execute(_FORGET, owner)
