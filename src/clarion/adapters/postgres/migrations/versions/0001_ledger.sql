-- The first schema: accounts and keys, contacts and groups, imports, senders, campaigns, runs and their deliveries.
-- Ids are 12 bytes made by the application, ordered by time (domain/ids.py). Every object belongs to an account.

CREATE TABLE account (
    id          bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
    id            bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id    bytea NOT NULL REFERENCES account,
    name          text NOT NULL,
    secret_hash   bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    permissions   text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX api_key_by_account ON api_key (account_id, id);

-- A deleted contact keeps its row without personal data, so that ledgers that name it still add up.
-- Contacts and members have no foreign keys: checking them row by row halved the speed of an import. Accounts and
-- contact rows are never deleted, and whoever adds members holds the group with a lock (adapters/postgres/groups.py).
CREATE TABLE contact (
    id             bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id     bytea NOT NULL,
    external_id    text,
    email          text,
    email_key      text,
    phone          text,
    first_name     text,
    last_name      text,
    language       text,
    timezone       text,
    attributes     jsonb NOT NULL DEFAULT '{}',
    consent_email  boolean,
    consent_sms    boolean,
    consent_push   boolean,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    CHECK ((email IS NULL) = (email_key IS NULL))
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX contact_by_external_id ON contact (account_id, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX contact_by_email ON contact (account_id, email_key) WHERE email_key IS NOT NULL;
CREATE UNIQUE INDEX contact_by_phone ON contact (account_id, phone) WHERE phone IS NOT NULL;
CREATE INDEX contact_by_account ON contact (account_id, id);
-- The few who cannot be written to by email: counting them is how a start counts everyone else.
CREATE INDEX contact_not_mailable ON contact (account_id, id)
    WHERE email IS NULL OR consent_email IS FALSE OR deleted_at IS NOT NULL;

CREATE TABLE contact_group (
    id          bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id  bytea NOT NULL REFERENCES account,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name)
);

-- added_xid lets a run read the membership as it was at its start (see run.started_snapshot).
CREATE TABLE group_member (
    group_id    bytea NOT NULL,
    contact_id  bytea NOT NULL,
    added_xid   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (group_id, contact_id)
);
CREATE INDEX group_member_by_contact ON group_member (contact_id);

-- Members removed (or groups deleted) while a run may still be reading them; swept when no run needs them.
CREATE TABLE group_member_removed (
    group_id     bytea NOT NULL,
    contact_id   bytea NOT NULL,
    added_xid    xid8 NOT NULL,
    removed_xid  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    removed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX group_member_removed_by_age ON group_member_removed (removed_at);
CREATE INDEX group_member_removed_by_group ON group_member_removed (group_id, contact_id);

CREATE TABLE contact_import (
    id              bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id      bytea NOT NULL REFERENCES account,
    group_id        bytea REFERENCES contact_group ON DELETE SET NULL,
    group_name      text,
    format          text NOT NULL CHECK (format IN ('csv', 'ndjson')),
    state           text NOT NULL CHECK (state IN ('receiving', 'merging', 'completed', 'failed')),
    problem         text,
    bytes_received  bigint NOT NULL DEFAULT 0,
    rows_read       bigint NOT NULL DEFAULT 0,
    rows_created    bigint NOT NULL DEFAULT 0,
    rows_updated    bigint NOT NULL DEFAULT 0,
    rows_rejected   bigint NOT NULL DEFAULT 0,
    tries           int NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    received_at     timestamptz,
    finished_at     timestamptz
);
CREATE INDEX contact_import_by_account ON contact_import (account_id, id);
CREATE INDEX contact_import_unfinished ON contact_import (id) WHERE state IN ('receiving', 'merging');

-- The body as it came, in pieces; dropped when the import ends.
CREATE TABLE import_chunk (
    import_id  bytea NOT NULL REFERENCES contact_import ON DELETE CASCADE,
    no         int NOT NULL,
    body       bytea NOT NULL,
    PRIMARY KEY (import_id, no)
);
ALTER TABLE import_chunk ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE import_rejection (
    import_id  bytea NOT NULL REFERENCES contact_import ON DELETE CASCADE,
    row_no     bigint NOT NULL,
    field      text NOT NULL,
    rule       text NOT NULL,
    message    text NOT NULL
);
CREATE INDEX import_rejection_by_row ON import_rejection (import_id, row_no);

CREATE TABLE suppression (
    account_id   bytea NOT NULL REFERENCES account,
    channel      text NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
    address_key  text NOT NULL,
    reason       text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'manual')),
    source       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, channel, address_key)
);

CREATE TABLE sender (
    id               bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id       bytea NOT NULL REFERENCES account,
    name             text NOT NULL,
    host             text NOT NULL,
    port             int NOT NULL CHECK (port BETWEEN 1 AND 65535),
    security         text NOT NULL CHECK (security IN ('none', 'starttls', 'tls')),
    username         text,
    password_sealed  bytea,
    from_address     text NOT NULL,
    max_connections  int NOT NULL,
    max_messages_per_connection int NOT NULL DEFAULT 1000,
    rate_per_second  double precision,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name)
);

-- When a rate-limited sender is next free (generic cell rate algorithm); one narrow row that windows push forward.
CREATE TABLE sender_pace (
    sender_id     bytea PRIMARY KEY REFERENCES sender ON DELETE CASCADE,
    next_free_at  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);

CREATE TABLE campaign (
    id                               bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id                       bytea NOT NULL REFERENCES account,
    kind                             text NOT NULL DEFAULT 'broadcast',
    state                            text NOT NULL DEFAULT 'draft',
    state_reason                     text,
    name                             text NOT NULL,
    description                      text,
    category                         text NOT NULL CHECK (category IN ('marketing', 'transactional')),
    group_ids                        bytea[] NOT NULL DEFAULT '{}',
    contact_ids                      bytea[] NOT NULL DEFAULT '{}',
    sender_id                        bytea REFERENCES sender,
    revision_id                      bytea,
    selected_count                   bigint,
    include_conversation_history     boolean NOT NULL DEFAULT false,
    auto_cancel_on_message_received  boolean NOT NULL DEFAULT false,
    outreach_language                text,
    start_at                         timestamptz,
    end_at                           timestamptz,
    created_at                       timestamptz NOT NULL DEFAULT now(),
    updated_at                       timestamptz NOT NULL DEFAULT now(),
    started_at                       timestamptz
);
CREATE INDEX campaign_by_account ON campaign (account_id, id);
CREATE INDEX campaign_due ON campaign (start_at) WHERE state = 'scheduled';
CREATE INDEX campaign_by_sender ON campaign (sender_id);

-- The content of a campaign's message; immutable, a save adds one.
CREATE TABLE message_revision (
    id           bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id   bytea NOT NULL REFERENCES account,
    campaign_id  bytea NOT NULL REFERENCES campaign ON DELETE CASCADE,
    email        jsonb,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_revision_by_campaign ON message_revision (campaign_id);

CREATE TABLE run (
    id                bytea PRIMARY KEY CHECK (octet_length(id) = 12),
    account_id        bytea NOT NULL REFERENCES account,
    campaign_id       bytea NOT NULL REFERENCES campaign,
    ordinal           int NOT NULL,
    state             text NOT NULL,
    state_reason      text,
    category          text NOT NULL,
    lane              text NOT NULL,
    revision_id       bytea NOT NULL REFERENCES message_revision,
    sender_id         bytea NOT NULL REFERENCES sender,
    group_ids         bytea[] NOT NULL,
    contact_ids       bytea[] NOT NULL,
    selected_count    bigint NOT NULL,
    -- The audience is the membership visible in this snapshot, read above the cursor slice by slice.
    started_snapshot  pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),
    snapshot_cursor   bytea NOT NULL DEFAULT '\x',
    snapshot_done     boolean NOT NULL DEFAULT false,
    next_seq          int NOT NULL DEFAULT 1,
    next_batch        int NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz,
    end_at            timestamptz,
    deadline_at       timestamptz NOT NULL,
    UNIQUE (campaign_id, ordinal)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX run_active ON run (campaign_id) WHERE state IN ('preparing', 'sending', 'paused');
CREATE INDEX run_by_account ON run (account_id, id);
-- Runs with work left to arrange: slices to take, batches to finish, rows to cancel.
CREATE INDEX run_unfinished ON run (id) WHERE finished_at IS NULL;

-- One recipient of one run: the row that is the truth. State is in no index, so its changes stay on the page (HOT).
-- epoch is that of the last intent; doubts counts the attempts whose end nobody knows.
CREATE TABLE delivery (
    run_id      bytea NOT NULL,
    seq         int NOT NULL,
    contact_id  bytea NOT NULL,
    epoch       int NOT NULL DEFAULT 0,
    attempts    smallint NOT NULL DEFAULT 0,
    doubts      smallint NOT NULL DEFAULT 0,
    state       text NOT NULL,
    reason      text,
    reply       text,
    not_before  timestamptz,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    address     text,
    PRIMARY KEY (run_id, seq)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX delivery_once_per_contact ON delivery (run_id, contact_id);

-- Attempts that did not end their delivery; the last one stands on the delivery itself.
CREATE TABLE delivery_attempt (
    run_id    bytea NOT NULL,
    seq       int NOT NULL,
    no        smallint NOT NULL,
    verdict   text NOT NULL,
    reason    text,
    reply     text,
    ended_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, seq, no)
);

-- Deliveries claimed together. A row exists while there is something left to do for it: the queue and its leases.
-- A fresh batch is a range of seq; what is left for a retry is listed. worker is set while a lease is held, and every
-- claim and every recovery raises the epoch that fences the holder before.
CREATE TABLE batch (
    run_id       bytea NOT NULL REFERENCES run ON DELETE CASCADE,
    no           int NOT NULL,
    lane         text NOT NULL,
    first_seq    int NOT NULL,
    last_seq     int NOT NULL,
    seqs         int[],
    due_at       timestamptz NOT NULL DEFAULT now(),
    epoch        int NOT NULL DEFAULT 0,
    lease_until  timestamptz,
    worker       text,
    PRIMARY KEY (run_id, no)
) WITH (fillfactor = 50);
CREATE INDEX batch_queue ON batch (lane DESC, no, due_at);
CREATE INDEX batch_leased ON batch (lease_until) WHERE worker IS NOT NULL;

-- Replies to requests that came with an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency (
    api_key_id  bytea NOT NULL REFERENCES api_key,
    path        text NOT NULL,
    key         text NOT NULL,
    body_hash   bytea NOT NULL,
    status      int,
    reply       bytea,
    content_type text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (api_key_id, path, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
