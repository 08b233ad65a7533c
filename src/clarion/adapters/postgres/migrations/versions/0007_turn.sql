-- One turn of a batch as 0002 has it, but the addresses of a window are looked up together: one search for all of them in
-- each list of suppressions instead of one for each address.
-- index: delivery_pkey by the range of the arrays, joined by hash; suppression_pkey and campaign_suppression_pkey by the
-- array. Loops and scans of whole tables are ruled out, for the plan is made once a connection, on a table that is young
-- and has no statistics.
DROP FUNCTION turn(bytea, int, int, int[], text[], int[], text[], text[], text[], interval[], int[], text[], text[],
                   int[], text[], int, int, int, int, int, int, bigint);
CREATE FUNCTION turn(bytea, int, int, int[], text[], int[], text[], text[], text[], interval[], int[], text[], text[],
                     int[], text[], int, int, int, int, int, int, bigint)
RETURNS TABLE (run_state text, holds_lease boolean, granted int[])
LANGUAGE plpgsql SET enable_nestloop = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $turn$
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
), barred AS (
    SELECT s.address_key, s.reason FROM suppression AS s
    WHERE s.account_id = (SELECT account_id FROM held) AND s.channel = 'email' AND s.address_key = ANY ($15)
      AND (s.reason <> 'unsubscribed' OR (SELECT is_marketing FROM held))
), opted_out AS (
    SELECT s.address_key, 'unsubscribed' AS reason FROM campaign_suppression AS s
    WHERE s.campaign_id = (SELECT campaign_id FROM held) AND s.channel = 'email' AND s.address_key = ANY ($15)
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
)
SELECT state AS run_state,
       EXISTS (SELECT FROM lease) AS holds_lease,
       (SELECT array_agg(seq) FROM intended WHERE state = 'sending') AS granted
FROM held;
END
$turn$;
