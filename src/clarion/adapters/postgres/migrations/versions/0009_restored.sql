-- Whether this database is where it was: a restored one sends nothing until somebody says so.

-- Where the database was when it was last looked at. The row is written by whoever opens it first; a copy brings it
-- along. held_since: from then on no batch is claimed. renumbered: the transaction ids of before mean nothing here.
CREATE TABLE home (
    is_only            boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    system_identifier  bigint NOT NULL,
    database           oid NOT NULL,
    timeline           int NOT NULL,
    mark               text,
    held_since         timestamptz,
    held_because       text,
    renumbered         boolean NOT NULL DEFAULT false
);

-- Looks where the database is, and holds it when that is not where it was; tells whether it is held. Asked by every new
-- connection (adapters/postgres/restored.py). A mark is what only the embedded server knows: its files. With
-- trusts_failover a new timeline of the same server is taken for a replica that missed nothing.
-- Whoever held a batch before the copy was made is fenced off by the epoch; that a lease ran out is seen after the
-- release.
CREATE FUNCTION look_around(its_mark text, trusts_failover boolean) RETURNS boolean LANGUAGE plpgsql AS $look$
DECLARE
    here record;
    known home;
    because text;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN false;
    END IF;
    SELECT s.system_identifier, d.oid AS database,
           ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline
    INTO here FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database();
    SELECT * INTO known FROM home;
    IF NOT FOUND THEN
        INSERT INTO home (system_identifier, database, timeline, mark)
        VALUES (here.system_identifier, here.database, here.timeline, its_mark) ON CONFLICT DO NOTHING;
        RETURN false;
    END IF;
    IF (known.system_identifier, known.database, known.timeline) = (here.system_identifier, here.database, here.timeline)
       AND (its_mark IS NULL OR its_mark = known.mark) THEN
        RETURN known.held_since IS NOT NULL;
    END IF;
    SELECT * INTO known FROM home FOR UPDATE;
    because := CASE
        WHEN known.system_identifier <> here.system_identifier THEN 'it is on another server'
        WHEN known.database <> here.database THEN 'it is another database of its server'
        WHEN known.mark <> its_mark THEN 'its files are a copy'
        WHEN known.timeline <> here.timeline AND NOT trusts_failover
            THEN 'its server was recovered to a point in time, or is a replica that took over' END;
    UPDATE home
    SET system_identifier = here.system_identifier, database = here.database, timeline = here.timeline,
        mark = coalesce(its_mark, mark), renumbered = renumbered OR system_identifier <> here.system_identifier,
        held_since = CASE WHEN because IS NULL THEN held_since ELSE coalesce(held_since, now()) END,
        held_because = coalesce(because, held_because);
    IF because IS NOT NULL THEN
        UPDATE batch SET epoch = epoch + 1 WHERE worker IS NOT NULL;
        INSERT INTO notice (id, account_id, kind, message)
        SELECT id_floor(now()) || substring(uuid_send(gen_random_uuid()) FROM 1 FOR 6), id, 'restored',
               'The database was restored from a backup; nothing is sent until the operator releases it'
        FROM account;
    END IF;
    RETURN because IS NOT NULL OR known.held_since IS NOT NULL;
END $look$;

-- The one fence: whoever sends has claimed a batch first, in whatever way. A row that a trigger gives back nothing for
-- is left as it is.
CREATE FUNCTION refuse_while_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN EXISTS (SELECT FROM home WHERE held_since IS NOT NULL) THEN NULL ELSE NEW END;
END $$;
CREATE TRIGGER no_claim_while_held BEFORE UPDATE OF worker ON batch
    FOR EACH ROW WHEN (OLD.worker IS NULL AND NEW.worker IS NOT NULL) EXECUTE FUNCTION refuse_while_held();
