-- Pace: token buckets of senders, accounts and recipient domains, daily caps, and what slows down by itself. A limit
-- stands with whom it limits; how far it is used stands in one narrow row of its own.

DROP TABLE sender_pace;

-- domain_rates: messages a second by recipient domain (A-labels). warm_up: messages for each day of the plan, of which
-- warm_up_from is the first (UTC). daily_cap holds on every day, and after the plan alone.
ALTER TABLE sender
    ADD COLUMN domain_rates  jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN daily_cap     int CHECK (daily_cap > 0),
    ADD COLUMN warm_up       int[] CHECK (cardinality(warm_up) > 0),
    ADD COLUMN warm_up_from  date,
    ADD CHECK ((warm_up IS NULL) = (warm_up_from IS NULL));
ALTER TABLE account
    ADD COLUMN rate_per_second  double precision CHECK (rate_per_second > 0),
    ADD COLUMN domain_rates     jsonb NOT NULL DEFAULT '{}';

-- One row for each limit in use. The owner is a sender or an account; domain '' is all its mail. next_free_at: when the
-- next message may go (generic cell rate algorithm), or tomorrow once the day's cap is used up. rate: what the last
-- booking reckoned with. slowed_*: the other side said "too fast"; from slowed_rate on, the rate grows with time alone.
CREATE TABLE pace (
    owner           bytea NOT NULL CHECK (octet_length(owner) = 12),
    domain          text NOT NULL DEFAULT '',
    next_free_at    timestamptz NOT NULL DEFAULT 'epoch',
    rate            double precision,
    day             date NOT NULL DEFAULT 'epoch',
    used            int NOT NULL DEFAULT 0,
    slowed_rate     double precision,
    slowed_ceiling  double precision,
    slowed_from     timestamptz,
    slowed_until    timestamptz,
    PRIMARY KEY (owner, domain)
) WITH (fillfactor = 10);

-- A batch that waits for room under a limit names its row of pace, and is due at infinity until it is let go.
ALTER TABLE batch ADD COLUMN paced_by bytea, ADD COLUMN paced_domain text;
CREATE INDEX batch_paced ON batch (paced_by, paced_domain, lane DESC, no) WHERE paced_by IS NOT NULL;

-- What a slowed row allows at a moment: it gains its ceiling in two minutes. Null when it is not slowed.
CREATE FUNCTION slowed_rate(p pace, moment timestamptz) RETURNS double precision LANGUAGE sql IMMUTABLE RETURN
    CASE WHEN p.slowed_until > moment
         THEN p.slowed_rate + p.slowed_ceiling * extract(epoch FROM moment - p.slowed_from)::float8 / 120 END;

-- The cap of a day: that of the plan and the daily one, whichever is less; before the plan's first day its first figure
-- holds. Null: no cap.
CREATE FUNCTION cap_of(daily_cap int, warm_up int[], warm_up_from date, day date) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN least(daily_cap, warm_up[greatest(day - warm_up_from, 0) + 1]);

-- The limits in force for mail of a sender to these domains.
-- index: sender_pkey, account_pkey, pace_pkey.
CREATE FUNCTION limits_of(the_account bytea, the_sender bytea, domains text[], today date)
RETURNS TABLE (owner bytea, domain text, rate double precision, cap int) LANGUAGE sql STABLE AS $limits$
    SELECT l.owner, l.domain, l.rate, l.cap FROM (
        SELECT id AS owner, '' AS domain, rate_per_second AS rate,
               cap_of(daily_cap, warm_up, warm_up_from, today) AS cap FROM sender WHERE id = the_sender
        UNION ALL SELECT id, '', rate_per_second, NULL FROM account WHERE id = the_account
        UNION ALL SELECT id, d, (domain_rates ->> d)::float8, NULL FROM sender, unnest(domains) AS d
                  WHERE id = the_sender AND d <> ''
        UNION ALL SELECT id, d, (domain_rates ->> d)::float8, NULL FROM account, unnest(domains) AS d
                  WHERE id = the_account AND d <> ''
    ) AS l LEFT JOIN pace AS p USING (owner, domain)
    WHERE l.rate IS NOT NULL OR l.cap IS NOT NULL OR p.slowed_until > now()
$limits$;

-- Books a window: messages by recipient domain, '' for all those whose domain is not limited. Answers a row a domain: how
-- many it has room for and who refuses more; and in each row how many may go in all, in how many seconds, and who holds
-- up the rest. What a domain has no room for is not waited for; a second's worth of it may go at once, so that idle
-- moments are not lost. Rows are locked in the order of their key, so that two bookings never wait for each other.
-- The write does not wait for the disk: the intent that follows does, and takes it along.
CREATE FUNCTION book(the_account bytea, the_sender bytea, domains text[], counts int[], patience_s double precision)
RETURNS TABLE (domain text, room int, refused_by bytea, may_go int, wait_s double precision, held_by bytea)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $book$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    today date := (moment AT TIME ZONE 'UTC')::date;
    limits record;
    locked int;
BEGIN
PERFORM set_config('synchronous_commit', 'off', true);
SELECT array_agg(owner) AS owners, array_agg(domain) AS domains, array_agg(rate) AS rates, array_agg(cap) AS caps
INTO limits FROM limits_of(the_account, the_sender, domains, today);
PERFORM FROM pace JOIN unnest(limits.owners, limits.domains) AS l (owner, domain) USING (owner, domain)
ORDER BY owner, domain FOR UPDATE OF pace;
GET DIAGNOSTICS locked = ROW_COUNT;
moment := clock_timestamp();
IF locked < cardinality(limits.owners) OR today < (moment AT TIME ZONE 'UTC')::date THEN
    INSERT INTO pace (owner, domain) SELECT * FROM unnest(limits.owners, limits.domains) ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT * FROM book(the_account, the_sender, domains, counts, patience_s);
    RETURN;
END IF;
RETURN QUERY
WITH bucket AS MATERIALIZED (
    SELECT owner, domain, p.next_free_at, least(l.rate, slowed_rate(p, moment)) AS speed,
           l.cap - CASE WHEN p.day = today THEN p.used ELSE 0 END AS remaining
    FROM unnest(limits.owners, limits.domains, limits.rates, limits.caps) AS l (owner, domain, rate, cap)
         JOIN pace AS p USING (owner, domain)
), asked AS MATERIALIZED (
    SELECT a.domain, least(a.messages, b.free) AS room, b.owner AS refused_by
    FROM unnest(domains, counts) AS a (domain, messages) LEFT JOIN LATERAL (
        SELECT owner, CASE WHEN next_free_at > moment THEN 0
            ELSE 1 + floor(least(extract(epoch FROM moment - next_free_at)::float8, 1) * speed)::int END AS free
        FROM bucket WHERE bucket.domain = a.domain AND bucket.domain <> '' AND speed IS NOT NULL
        ORDER BY free LIMIT 1) AS b ON true
), whole AS MATERIALIZED (
    SELECT greatest(max(extract(epoch FROM next_free_at - moment)), 0)::float8 AS wait_s, min(remaining) AS remaining,
           (array_agg(owner ORDER BY coalesce(remaining <= 0, false) DESC, next_free_at DESC))[1] AS held_by
    FROM bucket WHERE domain = ''
), granted AS MATERIALIZED (
    SELECT CASE WHEN wait_s > patience_s OR remaining <= 0 THEN 0
                ELSE least((SELECT sum(room) FROM asked), remaining)::int END AS may_go FROM whole
), booked AS (
    UPDATE pace AS p
    SET next_free_at = CASE WHEN b.remaining <= t.messages THEN (today + 1)::timestamp AT TIME ZONE 'UTC'
                            WHEN b.speed IS NULL THEN p.next_free_at
                            ELSE greatest(p.next_free_at, moment - (b.domain <> '')::int * interval '1 second')
                                 + t.messages / b.speed * interval '1 second' END,
        rate = b.speed, day = today,
        used = CASE WHEN p.day = today THEN p.used ELSE 0 END + t.messages
    FROM bucket AS b, granted AS g, LATERAL (
        SELECT CASE WHEN b.domain = '' OR g.may_go = 0 THEN g.may_go
                    ELSE (SELECT room FROM asked WHERE asked.domain = b.domain) END AS messages) AS t
    WHERE p.owner = b.owner AND p.domain = b.domain
)
SELECT a.domain, a.room, a.refused_by, g.may_go, w.wait_s, w.held_by FROM asked AS a, granted AS g, whole AS w;
END
$book$;
