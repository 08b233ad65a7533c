-- Deliveries and attempts in partitions by time; what is kept of them and for how long.
-- An id begins with the 48 bits of its millisecond (domain/ids.py), so a range of run ids is a range of time: each
-- partition holds the runs that began in one month (UTC). The tables of before become the first partitions as they
-- stand; attaching reads them once and writes nothing. Whatever no month was made for goes to the default partition.

-- The least id of a moment, as far as it can be said: a prefix that sorts before every id of that millisecond.
CREATE FUNCTION id_floor(moment timestamptz) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3);
-- The moment an id was made.
CREATE FUNCTION id_time(id bytea) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    to_timestamp(('x' || encode(substring(id FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 1000.0);

ALTER TABLE delivery RENAME TO delivery_before;
ALTER TABLE delivery_before RENAME CONSTRAINT delivery_pkey TO delivery_before_pkey;
ALTER INDEX delivery_once_per_contact RENAME TO delivery_before_once_per_contact;
ALTER TABLE delivery_attempt RENAME TO delivery_attempt_before;
ALTER TABLE delivery_attempt_before RENAME CONSTRAINT delivery_attempt_pkey TO delivery_attempt_before_pkey;

CREATE TABLE delivery (LIKE delivery_before INCLUDING DEFAULTS) PARTITION BY RANGE (run_id);
ALTER TABLE delivery ADD PRIMARY KEY (run_id, seq);
CREATE UNIQUE INDEX delivery_once_per_contact ON delivery (run_id, contact_id) WHERE given IS NULL;
CREATE TABLE delivery_attempt (LIKE delivery_attempt_before INCLUDING DEFAULTS) PARTITION BY RANGE (run_id);
ALTER TABLE delivery_attempt ADD PRIMARY KEY (run_id, seq, no);

-- A table made ready outside and attached takes no lock on `delivery` that a writer would notice, unlike one created
-- as a partition. The default partition is locked while it is seen to hold nothing of the month: the caller sets a
-- lock_timeout and tries again later.
CREATE FUNCTION cover_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    suffix text := to_char(month, '_YYYY_MM');
    starts bytea := id_floor(month::timestamp AT TIME ZONE 'UTC');
    ends bytea := id_floor((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE delivery INCLUDING DEFAULTS) '
                   'WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)', 'delivery' || suffix);
    EXECUTE format('CREATE TABLE %I (LIKE delivery_attempt INCLUDING DEFAULTS)', 'delivery_attempt' || suffix);
    EXECUTE format('ALTER TABLE delivery ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   'delivery' || suffix, starts, ends);
    EXECUTE format('ALTER TABLE delivery_attempt ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   'delivery_attempt' || suffix, starts, ends);
END $$;

-- What there is stays where it is, up to the end of the month of the newest run.
DO $do$
DECLARE
    newest bytea := greatest((SELECT max(run_id) FROM delivery_before), (SELECT max(run_id) FROM delivery_attempt_before));
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    first_month date := CASE WHEN newest IS NULL THEN this_month ELSE
        greatest(this_month, date_trunc('month', id_time(newest) AT TIME ZONE 'UTC')::date) + interval '1 month' END;
BEGIN
    EXECUTE format('ALTER TABLE delivery ATTACH PARTITION delivery_before FOR VALUES FROM (MINVALUE) TO (%L)',
                   id_floor(first_month::timestamp AT TIME ZONE 'UTC'));
    EXECUTE format('ALTER TABLE delivery_attempt ATTACH PARTITION delivery_attempt_before '
                   'FOR VALUES FROM (MINVALUE) TO (%L)', id_floor(first_month::timestamp AT TIME ZONE 'UTC'));
    FOR ahead IN 0..2 LOOP
        PERFORM cover_month((first_month + make_interval(months => ahead))::date);
    END LOOP;
END $do$;
CREATE TABLE delivery_default PARTITION OF delivery DEFAULT
    WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE delivery_attempt_default PARTITION OF delivery_attempt DEFAULT;

-- How long the deliveries of an account are kept; null: as long as the settings say.
ALTER TABLE account ADD COLUMN retention_days int CHECK (retention_days BETWEEN 31 AND 36500);

-- From removed_at on, a run's report is its rollup and its deliveries are not shown; rows_gone once they have left the
-- disk. Both are set in the transaction that makes them true.
ALTER TABLE run
    ADD COLUMN removed_at  timestamptz,
    ADD COLUMN rows_gone   boolean NOT NULL DEFAULT false;
CREATE INDEX run_kept ON run (account_id, finished_at) WHERE removed_at IS NULL;
CREATE INDEX run_removed ON run (id) WHERE removed_at IS NOT NULL AND NOT rows_gone;

-- What a removed run's deliveries came to, counted once and for good.
CREATE TABLE run_rollup (
    run_id  bytea NOT NULL REFERENCES run ON DELETE CASCADE,
    state   text NOT NULL,
    reason  text,
    count   bigint NOT NULL
);
CREATE INDEX run_rollup_by_run ON run_rollup (run_id);
