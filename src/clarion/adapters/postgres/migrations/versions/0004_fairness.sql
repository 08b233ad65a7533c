-- Whose batch is claimed next: weights, and how much each account and run has had.

-- Set by an operator: an account of weight 3 gets three messages for each one of an account of weight 1.
ALTER TABLE account ADD COLUMN weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100);

-- What was claimed for an account in a lane, in messages divided by its weight: who has had the least is next.
CREATE TABLE account_share (
    account_id  bytea NOT NULL REFERENCES account,
    lane        text NOT NULL,
    used        double precision NOT NULL,
    PRIMARY KEY (account_id, lane)
) WITH (fillfactor = 10);
-- The same for a run among those of its account, and the highest number of its batches that was claimed: below it are
-- the leavings of batches that are gone, which no claim should read again. A row of its own, for the run's row is held
-- while a slice or a group of calls is stored; no foreign key, which would wait for it.
CREATE TABLE run_share (
    run_id      bytea PRIMARY KEY,
    used        double precision NOT NULL,
    claimed_no  int NOT NULL
) WITH (fillfactor = 10);

-- Claims since the batch was last settled: a drive that fails, or takes its worker with it, leaves them standing.
ALTER TABLE batch ADD COLUMN tries smallint NOT NULL DEFAULT 0;
CREATE INDEX batch_failing ON batch (due_at) WHERE tries > 1 AND worker IS NULL;

-- Batches that nobody has claimed yet, in their order; and those that came back, by the time they are due again.
DROP INDEX batch_queue;
CREATE INDEX batch_fresh ON batch (run_id, no) WHERE epoch = 0;
CREATE INDEX batch_again ON batch (run_id, due_at) WHERE epoch > 0 AND worker IS NULL;
CREATE INDEX run_sending ON run (lane, account_id) WHERE state = 'sending';

-- The runs whose turn it may be, `in_line`, are a view of 0006: it asks for room (0005) and for a way out, too.

-- Leases the next batch of a lane: of the account that has had the least, of its run that has had the least. Called by
-- adapters/postgres/claiming.py. Two claims at once skip each other's batch. It looks a little below the highest
-- number claimed, for a claim beside it may have been undone.
-- index: run_sending, account_share_pkey, run_share_pkey; then batch_again and batch_fresh for one run after the other
-- until one has a batch. The plan is made once a connection, and whatever the tables held then.
CREATE FUNCTION claim_next(the_worker text, the_lane text, busy_senders bytea[], lease interval)
RETURNS TABLE (run_id bytea, account_id bytea, sender_id bytea, no int, epoch int, first_seq int, last_seq int,
               seqs int[], account_used double precision, run_used double precision)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $claim$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH found AS MATERIALIZED (
    SELECT r.*, waiting.no
    FROM (
        SELECT * FROM in_line WHERE lane = the_lane AND sender_id <> ALL(busy_senders)
        ORDER BY account_used, account_id, run_used, run_id OFFSET 0
    ) AS r, LATERAL (
        SELECT * FROM (
            SELECT no FROM batch
            WHERE run_id = r.run_id AND epoch > 0 AND worker IS NULL AND due_at <= now()
            ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS again
        UNION ALL
        SELECT * FROM (
            SELECT no FROM batch
            WHERE run_id = r.run_id AND epoch = 0 AND no > r.claimed_no - 64::bigint AND due_at <= now()
            ORDER BY no LIMIT 1 FOR UPDATE SKIP LOCKED) AS fresh
        LIMIT 1
    ) AS waiting
    LIMIT 1
)
UPDATE batch AS b
SET worker = the_worker, lease_until = now() + lease, epoch = b.epoch + 1, tries = b.tries + 1, announced_at = NULL
FROM found WHERE b.run_id = found.run_id AND b.no = found.no
RETURNING b.run_id, found.account_id, found.sender_id, b.no, b.epoch, b.first_seq, b.last_seq, b.seqs,
          found.account_used, found.run_used;
END
$claim$;
