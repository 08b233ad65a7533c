-- The health of senders, and the senders that stand in for each other.

-- Senders of one pool carry each other's mail, each as much as its weight says.
ALTER TABLE sender
    ADD COLUMN pool    text,
    ADD COLUMN weight  int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100);
CREATE INDEX sender_by_pool ON sender (account_id, pool) WHERE pool IS NOT NULL;

-- Senders that failed as a whole; the row is written when that changes, and stays. Nothing goes by a sender that is shut.
-- times: how often in a row, with little in between. tries: how often it was asked since, always by one worker only.
CREATE TABLE sender_health (
    sender_id   bytea PRIMARY KEY REFERENCES sender ON DELETE CASCADE,
    is_shut     boolean NOT NULL,
    reason      text NOT NULL,
    reply       text NOT NULL,
    times       int NOT NULL,
    tries       int NOT NULL DEFAULT 0,
    try_at      timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE INDEX sender_shut ON sender_health (try_at) WHERE is_shut;

-- Senders by which nothing can go out now: they are shut, and so is everyone in their pool.
CREATE VIEW no_way AS
SELECT h.sender_id FROM sender_health AS h JOIN sender AS s ON s.id = h.sender_id
WHERE h.is_shut AND NOT EXISTS (
    SELECT FROM sender AS m
    WHERE m.account_id = s.account_id AND m.pool = s.pool
      AND NOT EXISTS (SELECT FROM sender_health AS x WHERE x.sender_id = m.id AND x.is_shut));

-- By which sender of a pool a batch was sent, each time. What may have arrived over one of them is sent by no other.
CREATE TABLE batch_way (
    run_id     bytea NOT NULL REFERENCES run ON DELETE CASCADE,
    first_seq  int NOT NULL,
    last_seq   int NOT NULL,
    sender_id  bytea NOT NULL,
    began_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX batch_way_by_seq ON batch_way (run_id, first_seq);

-- The runs that are sending, with what their account and they themselves have had. Whoever had nothing to send for a
-- while, or is new, is not served alone until it has caught up: its head start is 25,000 messages by its weight.
-- Left out is whoever has no way out, or no room: a batch of theirs would only be claimed to be given back.
CREATE VIEW in_line AS
SELECT r.lane, r.account_id, r.id AS run_id, r.sender_id, coalesce(s.claimed_no, -2147483648) AS claimed_no,
       greatest(a.used, max(coalesce(a.used, 0)) OVER (PARTITION BY r.lane) - 25000) AS account_used,
       greatest(s.used, max(coalesce(s.used, 0)) OVER (PARTITION BY r.lane, r.account_id) - 25000) AS run_used
FROM run AS r
LEFT JOIN account_share AS a ON a.account_id = r.account_id AND a.lane = r.lane
LEFT JOIN run_share AS s ON s.run_id = r.id
WHERE r.state = 'sending' AND r.sender_id NOT IN (SELECT sender_id FROM no_way) AND NOT EXISTS (
    SELECT FROM pace AS p WHERE p.owner IN (r.sender_id, r.account_id) AND p.domain = ''
      AND p.next_free_at > now() + CASE r.lane WHEN 'bulk' THEN interval '0.25 seconds' ELSE interval '1 second' END);
