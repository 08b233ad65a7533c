-- What callers of five vendors' APIs need beyond the ledger: names those vendors use for an account, contacts found by
-- any identity, typed fields, segments, triggered campaigns with data of their own per recipient, and the ledger of
-- calls that makes a retried call safe.

-- How an account is called elsewhere; null: whatever name a caller with its key uses is accepted.
ALTER TABLE account
    ADD COLUMN timezone      text NOT NULL DEFAULT 'UTC',
    ADD COLUMN country       text,
    ADD COLUMN languages     text[] NOT NULL DEFAULT '{eng}' CHECK (cardinality(languages) > 0),
    ADD COLUMN date_style    text NOT NULL DEFAULT 'day_first'
                             CHECK (date_style IN ('day_first', 'month_first', 'year_first')),
    ADD COLUMN instance      text,
    ADD COLUMN organisation  text,
    ADD COLUMN sandbox       text;

-- Who answers for a key; the canonical key of an address.
ALTER TABLE api_key ADD COLUMN owner_email text;

ALTER TABLE contact
    ADD COLUMN status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked', 'stopped', 'archived')),
    ADD COLUMN last_seen_at  timestamptz;
DROP INDEX contact_not_mailable;
CREATE INDEX contact_not_mailable ON contact (account_id, id)
    WHERE email IS NULL OR consent_email IS FALSE OR deleted_at IS NOT NULL OR status <> 'active';
CREATE INDEX contact_by_change ON contact (account_id, updated_at, id);

-- Identities beyond the contact's own email address, phone number and external id.
CREATE TABLE contact_identity (
    account_id  bytea NOT NULL,
    namespace   text NOT NULL,
    value       text NOT NULL,
    contact_id  bytea NOT NULL,
    position    smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, namespace, value)
);
CREATE INDEX contact_identity_by_contact ON contact_identity (contact_id);

-- What an attribute of a contact is called and which values it takes. Values stand in contact.attributes under `key`.
CREATE TABLE contact_field (
    id          bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id  bytea NOT NULL REFERENCES account,
    key         text NOT NULL,
    name        text NOT NULL,
    type        text NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'datetime', 'state', 'district', 'ward')),
    featured    boolean NOT NULL DEFAULT false,
    priority    int NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, key)
);

CREATE TABLE contact_note (
    id          bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id  bytea NOT NULL,
    contact_id  bytea NOT NULL,
    text        text NOT NULL,
    created_by  text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contact_note_by_contact ON contact_note (contact_id, id);

-- A stored rule that selects contacts; the tree is that of domain/segment.py. `extras` holds what a dialect's caller
-- said and is shown again, by dialect, and nothing else reads it.
CREATE TABLE segment (
    id          bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id  bytea NOT NULL REFERENCES account,
    number      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name        text NOT NULL,
    rule        jsonb NOT NULL,
    extras      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name)
);

-- What the rules of segments read in an attribute; none of these ever raises. They are written so that the planner puts
-- their expressions into the query, and nothing about them stops it from using several processes.
-- A text that is a plain decimal number, because a CSV file knows texts only; null when it is none.
CREATE FUNCTION number_of(value text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN value <> '' AND translate(value, '0123456789', '') = '' OR value ~ '^[+-]?[0-9]+(?:\.[0-9]+)?$'
        THEN value::numeric END;
-- Whether a text is an ISO 8601 date with or without a time and an offset. The pattern knows the length of every month.
-- From version 16 on, the server can be asked whether it could read a text: many times faster for the usual forms.
DO $do$
DECLARE
    pattern text := $$(value ~ (
        '^(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)'
        '|02-(?:0[1-9]|1[0-9]|2[0-8]))'
        '|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)'
        '(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?'
        '(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?$') AND left(value, 4) <> '0000')$$;
BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        pattern := $$CASE WHEN CASE octet_length(value)
                WHEN 10 THEN value LIKE '____-__-__'
                WHEN 20 THEN value LIKE '____-__-__T__:__:__Z'
                WHEN 24 THEN value LIKE '____-__-__T__:__:__.___Z'
                ELSE false END
            THEN pg_input_is_valid(value, 'timestamptz') ELSE $$ || pattern || ' END';
    END IF;
    EXECUTE 'CREATE FUNCTION is_instant(value text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE RETURN ' || pattern;
END $do$;
-- The moment that such a text means, UTC where it says no offset (the sessions of the application keep UTC).
CREATE FUNCTION instant_of(value text) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE RETURN
    CASE WHEN is_instant(value) THEN value::timestamptz END;

-- `number` is the campaign's name for callers that know whole numbers only. `recheck_seconds` keeps an audience open:
-- whoever comes to belong to it is written to once, until the campaign ends.
ALTER TABLE campaign
    ADD COLUMN number           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN segment_ids      bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN timezone         text,
    ADD COLUMN recheck_seconds  int CHECK (recheck_seconds > 0),
    ADD COLUMN creates_contacts boolean NOT NULL DEFAULT false,
    ADD COLUMN high_throughput  boolean NOT NULL DEFAULT false,
    ADD COLUMN channel_order    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN extras           jsonb NOT NULL DEFAULT '{}';

ALTER TABLE message_revision
    ADD COLUMN sms   jsonb,
    ADD COLUMN push  jsonb;

-- Whoever asked not to be written to by one campaign.
CREATE TABLE campaign_suppression (
    account_id   bytea NOT NULL,
    campaign_id  bytea NOT NULL REFERENCES campaign ON DELETE CASCADE,
    channel      text NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
    address_key  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, channel, address_key)
);

-- segment_rules: the rules as they were when the audience was read, at read_at. test_address: every message goes there
-- instead. context: what the call said, for all. accepts_until: calls may add recipients until then. recheck_at: when
-- the audience is read again.
ALTER TABLE run
    ADD COLUMN number         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN segment_rules  jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN test_address   text,
    ADD COLUMN context        jsonb,
    ADD COLUMN accepts_until  timestamptz,
    ADD COLUMN recheck_at     timestamptz,
    ADD COLUMN read_at        timestamptz NOT NULL DEFAULT now();
-- A campaign may have several runs at once: one per call that starts it. That a start is one start is the guard of the
-- campaign's own state.
DROP INDEX run_active;
CREATE INDEX run_by_campaign ON run (campaign_id, ordinal);
CREATE INDEX run_recheck ON run (recheck_at) WHERE recheck_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX campaign_over ON campaign (end_at) WHERE state IN ('running', 'paused');

-- A recipient that came with a call need not be a contact, and may come again; `given` is what the call said of them,
-- and null for whoever belongs to an audience.
ALTER TABLE delivery
    ALTER COLUMN contact_id DROP NOT NULL,
    ADD COLUMN given jsonb;
DROP INDEX delivery_once_per_contact;
CREATE UNIQUE INDEX delivery_once_per_contact ON delivery (run_id, contact_id) WHERE given IS NULL;
-- The run of a triggered campaign that takes calls.
CREATE INDEX run_open ON run (campaign_id) WHERE accepts_until IS NOT NULL;

-- A call that set deliveries going (or will, at execute_at), and what makes sending it again harmless: the same
-- request_id with the same body is answered as the first time. Recipients of a call are the numbers first_seq to
-- last_seq of its run; an audience has a run of its own.
CREATE TABLE execution (
    id            bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id    bytea NOT NULL REFERENCES account,
    campaign_id   bytea NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('recipients', 'audience')),
    state         text NOT NULL CHECK (state IN ('scheduled', 'triggered', 'deleted', 'failed')),
    request_id    text,
    body_hash     bytea NOT NULL,
    run_id        bytea REFERENCES run,
    first_seq     int,
    last_seq      int,
    plan          jsonb,
    execute_at    timestamptz,
    problem       text,
    created_by    text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    answered_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX execution_once ON execution (campaign_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX execution_by_account ON execution (account_id, id);
CREATE INDEX execution_by_run ON execution (run_id, first_seq);
-- Calls without a run keep their campaign from being deleted; the others' runs do.
CREATE INDEX execution_without_run ON execution (campaign_id) WHERE run_id IS NULL;
-- Starts that may come twice: the same one at once, and another one soon after.
CREATE INDEX execution_audience ON execution (campaign_id, created_at) WHERE kind = 'audience';
CREATE INDEX execution_due ON execution (execute_at) WHERE state = 'scheduled';

-- A step of a sequence, relative to a date of the contact. Stored and shown; firing it on time is a later capability.
CREATE TABLE campaign_event (
    id             bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id     bytea NOT NULL REFERENCES account,
    campaign_id    bytea NOT NULL REFERENCES campaign ON DELETE CASCADE,
    relative_to    text NOT NULL,
    "offset"       int NOT NULL,
    unit           text NOT NULL CHECK (unit IN ('minutes', 'hours', 'days', 'weeks')),
    delivery_hour  smallint NOT NULL CHECK (delivery_hour BETWEEN -1 AND 23),
    message        jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz
);
CREATE INDEX campaign_event_by_account ON campaign_event (account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX campaign_event_by_campaign ON campaign_event (campaign_id);
-- Sequences are listed, and their names compared, apart from the many campaigns of other kinds.
CREATE INDEX campaign_sequence ON campaign (account_id, id) WHERE kind = 'sequence';

-- What the people of an account should hear of without asking.
CREATE TABLE notice (
    id           bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id   bytea NOT NULL REFERENCES account,
    campaign_id  bytea REFERENCES campaign ON DELETE CASCADE,
    kind         text NOT NULL,
    message      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notice_by_account ON notice (account_id, id);

-- One turn of a batch: what became of the window before, and the intent for the next one, in one statement and commit.
-- Called by adapters/postgres/batches.py, which fills the arrays. The shared lock on the account comes first and on its
-- own, for the query after it then sees every change that a barrier has waited for.
-- index: delivery_pkey by the range of the arrays, which are joined by hash: a young table has no statistics, and a loop
-- over 200 times 200 rows looks cheap to the planner. suppression_pkey per address. The plan is the same for every
-- window, so it is made once a connection. An outcome that comes late still counts, also for a row that recovery has
-- meanwhile called uncertain. An intent of this very epoch is granted again: the commit that wrote it went unanswered,
-- and nothing went on the wire.
CREATE FUNCTION turn(bytea, int, int, int[], text[], int[], text[], text[], text[], interval[], int[], text[], text[],
                     int[], text[], int, int, int, int, int, int, bigint)
RETURNS TABLE (run_state text, holds_lease boolean, granted int[])
LANGUAGE plpgsql SET enable_nestloop = off SET plan_cache_mode = force_generic_plan AS $turn$
#variable_conflict use_column
BEGIN
PERFORM pg_advisory_xact_lock_shared($22);
RETURN QUERY
WITH held AS (
    SELECT state, account_id, deadline_at, category = 'marketing' AND test_address IS NULL AS is_marketing,
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
), intended AS (
    UPDATE delivery AS d
    SET state = CASE WHEN i.suppressed_by IS NULL THEN 'sending' ELSE 'skipped' END,
        reason = CASE WHEN i.suppressed_by = 'unsubscribed' THEN 'unsubscribed'
                      WHEN i.suppressed_by IS NOT NULL THEN 'suppressed' END,
        attempts = d.attempts + (i.suppressed_by IS NULL AND d.state = 'pending')::int,
        epoch = $3,
        changed_at = now()
    FROM (
        SELECT w.seq, coalesce((
            SELECT s.reason FROM suppression AS s
            WHERE s.account_id = (SELECT account_id FROM held) AND s.channel = 'email' AND s.address_key = w.address_key
              AND (s.reason <> 'unsubscribed' OR (SELECT is_marketing FROM held))), (
            SELECT 'unsubscribed' FROM campaign_suppression AS s
            WHERE s.campaign_id = (SELECT campaign_id FROM held) AND s.channel = 'email'
              AND s.address_key = w.address_key)) AS suppressed_by
        FROM unnest($14::int[], $15::text[]) AS w (seq, address_key)
        OFFSET 0  -- looks each address up once
    ) AS i
    WHERE (SELECT state FROM held) = 'sending' AND EXISTS (SELECT FROM lease)
      AND d.run_id = $1 AND d.seq BETWEEN $20 AND $21 AND d.seq = i.seq
      AND (d.state = 'pending' OR (d.state = 'sending' AND d.epoch = $3))
    RETURNING d.seq, d.state
)
SELECT state AS run_state,
       EXISTS (SELECT FROM lease) AS holds_lease,
       (SELECT array_agg(seq) FROM intended WHERE state = 'sending') AS granted
FROM held;
END
$turn$;
