-- Deliveries are analysed once as many have changed as there are. A run changes each row twice: by the usual tenth,
-- autovacuum found a partition to analyse at every look, each 10 seconds: on a busy machine a sixth of the database's
-- CPU while mail went out. Whoever reads deliveries finds them by their run; how their states lie changes no plan.
DO $do$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'delivery'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_analyze_scale_factor = 1)', partition);
    END LOOP;
END $do$;

-- As 0003 has it, with the same for the months to come.
CREATE OR REPLACE FUNCTION cover_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    suffix text := to_char(month, '_YYYY_MM');
    starts bytea := id_floor(month::timestamp AT TIME ZONE 'UTC');
    ends bytea := id_floor((month + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE delivery INCLUDING DEFAULTS) WITH (fillfactor = 50, '
                   'autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 1)', 'delivery' || suffix);
    EXECUTE format('CREATE TABLE %I (LIKE delivery_attempt INCLUDING DEFAULTS)', 'delivery_attempt' || suffix);
    EXECUTE format('ALTER TABLE delivery ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   'delivery' || suffix, starts, ends);
    EXECUTE format('ALTER TABLE delivery_attempt ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   'delivery_attempt' || suffix, starts, ends);
END $$;
