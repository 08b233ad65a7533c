-- SMS and push beside email: senders of any provider, runs in parts, devices, and what providers tell us later.

-- What a provider needs is its own (domain/providers); its secrets are sealed as one: of SMTP the password, of every
-- other provider a JSON object.
ALTER TABLE sender
    ADD COLUMN channel   text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms', 'push')),
    ADD COLUMN provider  text NOT NULL DEFAULT 'smtp',
    ADD COLUMN config    jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN sms       jsonb;
UPDATE sender SET config = jsonb_build_object(
    'host', host, 'port', port, 'security', security, 'username', username, 'max_connections', max_connections,
    'max_messages_per_connection', max_messages_per_connection);
ALTER TABLE sender
    DROP COLUMN host, DROP COLUMN port, DROP COLUMN security, DROP COLUMN username, DROP COLUMN max_connections,
    DROP COLUMN max_messages_per_connection,
    ALTER COLUMN channel DROP DEFAULT, ALTER COLUMN provider DROP DEFAULT, ALTER COLUMN config DROP DEFAULT;
ALTER TABLE sender RENAME COLUMN password_sealed TO secrets_sealed;

-- sender_id is the sender of its email. Devices of one person may need several push senders, one a platform.
-- channel_policy: a person gets the message on all channels, or on the first of channel_order that reaches them.
ALTER TABLE campaign
    ADD COLUMN sms_sender_id    bytea REFERENCES sender,
    ADD COLUMN push_sender_ids  bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN channel_policy   text NOT NULL DEFAULT 'all' CHECK (channel_policy IN ('all', 'first_available'));
CREATE INDEX campaign_by_sms_sender ON campaign (sms_sender_id) WHERE sms_sender_id IS NOT NULL;
CREATE INDEX campaign_by_push_sender ON campaign USING gin (push_sender_ids) WHERE push_sender_ids <> '{}';

-- A start over several channels, or several push senders, is one run in parts: each part is a row that is sent by
-- itself, on one channel and by one sender. The first part leads; part_of of the others names it.
ALTER TABLE run
    ADD COLUMN channel  text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms', 'push')),
    ADD COLUMN part_of  bytea REFERENCES run ON DELETE CASCADE,
    ADD COLUMN channel_policy  text NOT NULL DEFAULT 'all' CHECK (channel_policy IN ('all', 'first_available'));
ALTER TABLE run DROP CONSTRAINT run_campaign_id_ordinal_key;
CREATE UNIQUE INDEX run_once ON run (campaign_id, ordinal) WHERE part_of IS NULL;
CREATE INDEX run_by_lead ON run (part_of) WHERE part_of IS NOT NULL;

-- Of a call to a campaign in several parts: how many recipients came with it, and the run and the numbers of their
-- deliveries in each part but the leading one.
ALTER TABLE execution ADD COLUMN parts jsonb;

-- Where a push message can reach a contact. `token` is what the provider knows the device by: for the web the endpoint,
-- to whom the message is encrypted with `p256dh` and `auth` (RFC 8291). A retired device is written to no more.
CREATE TABLE device (
    id              bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id      bytea NOT NULL,
    contact_id      bytea NOT NULL,
    platform        text NOT NULL CHECK (platform IN ('ios', 'android', 'web')),
    app             text NOT NULL,
    token           text NOT NULL,
    p256dh          text,
    auth            text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    retired_at      timestamptz,
    retired_reason  text,
    CHECK ((platform = 'web') = (p256dh IS NOT NULL AND auth IS NOT NULL))
);
CREATE UNIQUE INDEX device_once ON device (account_id, app, md5(token));
CREATE INDEX device_by_contact ON device (contact_id);

-- How long a shut sender is left alone is kept, not counted from its tries. pause: before it is tried again, doubled by
-- every try that fails.
ALTER TABLE sender_health
    DROP COLUMN IF EXISTS tries,
    ADD COLUMN IF NOT EXISTS pause          interval NOT NULL DEFAULT '1 second',
    ADD COLUMN IF NOT EXISTS longest_pause  interval NOT NULL DEFAULT '1 minute';
ALTER TABLE sender_health ALTER COLUMN pause DROP DEFAULT, ALTER COLUMN longest_pause DROP DEFAULT;

-- A contact has a push delivery for each of its devices.
ALTER TABLE delivery ADD COLUMN device_id bytea;
DROP INDEX delivery_once_per_contact;
CREATE UNIQUE INDEX delivery_once_per_contact ON delivery (run_id, contact_id, device_id) NULLS NOT DISTINCT
    WHERE given IS NULL;

-- The provider's own name for a message, or for each part of a long SMS: how a receipt finds its delivery. state is what
-- was told of a part; of a message that is one part the delivery says it.
CREATE TABLE provider_ref (
    sender_id  bytea NOT NULL,
    ref        text NOT NULL,
    run_id     bytea NOT NULL,
    seq        int NOT NULL,
    part       smallint NOT NULL,
    parts      smallint NOT NULL,
    state      text,
    noted_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sender_id, ref)
);
CREATE INDEX provider_ref_by_run ON provider_ref (run_id, seq) WHERE parts > 1;
CREATE INDEX provider_ref_by_age ON provider_ref (noted_at);

-- What a provider told us, stored before anything follows from it; event_id is the provider's own, so that what is told
-- twice waits once. What was applied leaves the table, and what was told belongs to the delivery from then on. due_at:
-- when it is applied; later again while its delivery is not known yet, null once nobody waits for that any more.
CREATE TABLE receipt (
    sender_id    bytea NOT NULL,
    event_id     text NOT NULL,
    ref          text,
    run_id       bytea,
    seq          int,
    state        text NOT NULL,
    reason       text,
    detail       text NOT NULL DEFAULT '',
    occurred_at  timestamptz,
    received_at  timestamptz NOT NULL DEFAULT now(),
    due_at       timestamptz,
    PRIMARY KEY (sender_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX receipt_due ON receipt (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX receipt_lost ON receipt (received_at) WHERE due_at IS NULL;

-- What people wrote to us. is_read: what follows from it (a keyword, when somebody was last seen) has been done.
CREATE TABLE inbound_message (
    id           bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id   bytea NOT NULL,
    sender_id    bytea NOT NULL,
    event_id     text NOT NULL,
    contact_id   bytea,
    address      text NOT NULL,
    sent_to      text NOT NULL DEFAULT '',
    text         text NOT NULL,
    keyword      text,
    occurred_at  timestamptz,
    received_at  timestamptz NOT NULL DEFAULT now(),
    is_read      boolean NOT NULL DEFAULT false,
    UNIQUE (sender_id, event_id)
);
CREATE INDEX inbound_message_unread ON inbound_message (id) WHERE NOT is_read;
CREATE INDEX inbound_message_by_account ON inbound_message (account_id, id);
CREATE INDEX inbound_message_by_contact ON inbound_message (contact_id, id) WHERE contact_id IS NOT NULL;

-- The view of 0006 with the channel of each run; a worker may serve some channels only.
CREATE OR REPLACE VIEW in_line AS
SELECT r.lane, r.account_id, r.id AS run_id, r.sender_id, coalesce(s.claimed_no, -2147483648) AS claimed_no,
       greatest(a.used, max(coalesce(a.used, 0)) OVER (PARTITION BY r.lane) - 25000) AS account_used,
       greatest(s.used, max(coalesce(s.used, 0)) OVER (PARTITION BY r.lane, r.account_id) - 25000) AS run_used,
       r.channel
FROM run AS r
LEFT JOIN account_share AS a ON a.account_id = r.account_id AND a.lane = r.lane
LEFT JOIN run_share AS s ON s.run_id = r.id
WHERE r.state = 'sending' AND r.sender_id NOT IN (SELECT sender_id FROM no_way) AND NOT EXISTS (
    SELECT FROM pace AS p WHERE p.owner IN (r.sender_id, r.account_id) AND p.domain = ''
      AND p.next_free_at > now() + CASE r.lane WHEN 'bulk' THEN interval '0.25 seconds' ELSE interval '1 second' END);

-- As 0004 has it, for the channels that the worker serves.
DROP FUNCTION claim_next(text, text, bytea[], interval);
CREATE FUNCTION claim_next(the_worker text, the_lane text, channels text[], busy_senders bytea[], lease interval)
RETURNS TABLE (run_id bytea, account_id bytea, sender_id bytea, channel text, no int, epoch int, first_seq int,
               last_seq int, seqs int[], account_used double precision, run_used double precision)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $claim$
#variable_conflict use_column
BEGIN
RETURN QUERY
WITH found AS MATERIALIZED (
    SELECT r.*, waiting.no
    FROM (
        SELECT * FROM in_line
        WHERE lane = the_lane AND channel = ANY(channels) AND sender_id <> ALL(busy_senders)
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
RETURNING b.run_id, found.account_id, found.sender_id, found.channel, b.no, b.epoch, b.first_seq, b.last_seq, b.seqs,
          found.account_used, found.run_used;
END
$claim$;

-- As 0007 has it, for the channel of the run, and with the names that the provider gave to what it accepted.
DROP FUNCTION turn(bytea, int, int, int[], text[], int[], text[], text[], text[], interval[], int[], text[], text[],
                   int[], text[], int, int, int, int, int, int, bigint);
CREATE FUNCTION turn(bytea, int, int, int[], text[], int[], text[], text[], text[], interval[], int[], text[], text[],
                     int[], text[], int, int, int, int, int, int, bigint, bytea, int[], text[], smallint[], smallint[])
RETURNS TABLE (run_state text, holds_lease boolean, granted int[])
LANGUAGE plpgsql SET enable_nestloop = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $turn$
#variable_conflict use_column
BEGIN
PERFORM pg_advisory_xact_lock_shared($22);
RETURN QUERY
WITH held AS (
    SELECT state, channel, account_id, deadline_at, category = 'marketing' AND test_address IS NULL AS is_marketing,
           CASE WHEN test_address IS NULL THEN campaign_id END AS campaign_id
    FROM run WHERE id = $1
), lease AS (
    SELECT no FROM batch WHERE run_id = $1 AND no = $2 AND epoch = $3 AND worker IS NOT NULL FOR SHARE
), recorded AS (
    UPDATE delivery AS d
    SET state = CASE WHEN o.verdict <> 'retry' THEN o.verdict
                     WHEN now() + o.wait > (SELECT deadline_at FROM held) THEN 'failed'
                     ELSE 'pending' END,
        reason = CASE WHEN o.verdict = 'retry' AND now() + o.wait > (SELECT deadline_at FROM held)
                      THEN 'deadline_passed' ELSE o.reason END,
        reply = o.reply,
        not_before = now() + o.wait,
        doubts = d.doubts + (o.verdict = 'unknown')::int,
        changed_at = now()
    FROM (
        SELECT seq, 'sent' AS verdict, NULL AS reason, reply, NULL::interval AS wait
        FROM unnest($4::int[], $5::text[]) AS accepted (seq, reply)
        UNION ALL
        SELECT * FROM unnest($6::int[], $7::text[], $8::text[], $9::text[], $10::interval[])
    ) AS o (seq, verdict, reason, reply, wait)
    WHERE d.run_id = $1 AND d.seq BETWEEN $16 AND $17 AND d.seq = o.seq AND d.epoch = $3
      AND (d.state IN ('sending', 'unknown') OR (d.state = 'pending' AND d.reason = 'worker_lost'))
    RETURNING d.seq, d.attempts, d.state, o.verdict, o.reason, o.reply
), noted AS (
    INSERT INTO delivery_attempt (run_id, seq, no, verdict, reason, reply)
    SELECT $1, seq, attempts, verdict, reason, reply FROM recorded WHERE state = 'pending'
    ON CONFLICT DO NOTHING
), refused AS (
    UPDATE delivery AS d
    SET state = 'skipped', reason = x.reason, reply = x.detail, changed_at = now()
    FROM unnest($11::int[], $12::text[], $13::text[]) AS x (seq, reason, detail)
    WHERE d.run_id = $1 AND d.seq BETWEEN $18 AND $19 AND d.seq = x.seq AND d.state = 'pending'
      AND EXISTS (SELECT FROM lease)
), barred AS (
    SELECT s.address_key, s.reason FROM suppression AS s
    WHERE s.account_id = (SELECT account_id FROM held) AND s.channel = (SELECT channel FROM held)
      AND s.address_key = ANY ($15) AND (s.reason <> 'unsubscribed' OR (SELECT is_marketing FROM held))
), opted_out AS (
    SELECT s.address_key, 'unsubscribed' AS reason FROM campaign_suppression AS s
    WHERE s.campaign_id = (SELECT campaign_id FROM held) AND s.channel = (SELECT channel FROM held)
      AND s.address_key = ANY ($15)
), intended AS (
    UPDATE delivery AS d
    SET state = CASE WHEN i.suppressed_by IS NULL THEN 'sending' ELSE 'skipped' END,
        reason = CASE WHEN i.suppressed_by = 'unsubscribed' THEN 'unsubscribed'
                      WHEN i.suppressed_by IS NOT NULL THEN 'suppressed' END,
        attempts = d.attempts + (i.suppressed_by IS NULL AND d.state = 'pending')::int,
        epoch = $3,
        changed_at = now()
    FROM (
        SELECT w.seq, coalesce(b.reason, l.reason) AS suppressed_by
        FROM unnest($14::int[], $15::text[]) AS w (seq, address_key)
             LEFT JOIN barred AS b ON b.address_key = w.address_key
             LEFT JOIN opted_out AS l ON l.address_key = w.address_key
    ) AS i
    WHERE (SELECT state FROM held) = 'sending' AND EXISTS (SELECT FROM lease)
      AND d.run_id = $1 AND d.seq BETWEEN $20 AND $21 AND d.seq = i.seq
      AND (d.state = 'pending' OR (d.state = 'sending' AND d.epoch = $3))
    RETURNING d.seq, d.state
), named AS (
    INSERT INTO provider_ref (sender_id, ref, run_id, seq, part, parts)
    SELECT DISTINCT ON (n.ref) $23, n.ref, $1, n.seq, n.part, n.parts
    FROM unnest($24::int[], $25::text[], $26::smallint[], $27::smallint[]) AS n (seq, ref, part, parts)
    ON CONFLICT (sender_id, ref) DO UPDATE  -- centres count their names from the beginning again: the last one holds
    SET run_id = excluded.run_id, seq = excluded.seq, part = excluded.part, parts = excluded.parts, state = NULL,
        noted_at = now()
)
SELECT state AS run_state,
       EXISTS (SELECT FROM lease) AS holds_lease,
       (SELECT array_agg(seq) FROM intended WHERE state = 'sending') AS granted
FROM held;
END
$turn$;

-- Gives a batch up: deletes one that is through, leaves the rest of another to be claimed when due; tells whether none
-- of the run waits: of two that end at once, each sees the other still held. Called by adapters/postgres/batches.py. The
-- one write that does not wait for the disk: the outcomes are there already, and a batch whose end is lost with the
-- database's last moments is taken back when its lease ends.
-- index: batch_pkey, delivery_pkey by range. Planned once a connection: beside many months of deliveries planning it
-- took longer than running it.
CREATE FUNCTION settle_batch(bytea, int, int, int, int) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $settle$
#variable_conflict use_column
DECLARE
    is_last boolean;
BEGIN
PERFORM set_config('synchronous_commit', 'off', true);
WITH held AS (
    SELECT * FROM batch WHERE run_id = $1 AND no = $4 AND epoch = $5 AND worker IS NOT NULL FOR UPDATE
), rest AS (
    SELECT array_agg(d.seq ORDER BY d.seq) AS seqs, min(d.seq) AS first_seq, max(d.seq) AS last_seq,
           CASE WHEN bool_or(coalesce(d.not_before, now()) <= now()) THEN now() ELSE max(d.not_before) END AS due_at
    FROM held AS b JOIN delivery AS d
      ON d.run_id = $1 AND d.seq BETWEEN $2 AND $3 AND (b.seqs IS NULL OR d.seq = ANY(b.seqs))
    WHERE d.state = 'pending'
), kept AS (
    UPDATE batch AS b
    SET worker = NULL, lease_until = NULL, tries = 0, due_at = rest.due_at,
        seqs = rest.seqs, first_seq = rest.first_seq, last_seq = rest.last_seq
    FROM rest, held
    WHERE b.run_id = held.run_id AND b.no = held.no AND rest.seqs IS NOT NULL
), gone AS (
    DELETE FROM batch AS b USING rest, held
    WHERE b.run_id = held.run_id AND b.no = held.no AND rest.seqs IS NULL
    RETURNING b.no
)
SELECT EXISTS (SELECT FROM gone)
       AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1 AND no <> $4 AND worker IS NULL) INTO is_last;
RETURN is_last;
END
$settle$;
