-- $1 device, $2 keys beside $3 since when, $4 now. One that is made anew waits anew, but a disputed one stays as old as it is. An event an
-- hour for each.
WITH entered AS (
    INSERT INTO meter_claim AS c (meter_id, device_id, since, claimed_at, seen_at, told_at)
    SELECT m.id, $1, w.since, $4, $4, $4
    FROM unnest($2::text[], $3::timestamptz[]) AS w (key, since)
    JOIN meter m ON m.key = w.key
    ON CONFLICT (meter_id, device_id) DO UPDATE
    SET seen_at = $4, shown = true,
        since = CASE WHEN c.shown OR c.disputed_at IS NOT NULL THEN c.since ELSE excluded.since END,
        claimed_at = CASE WHEN c.shown OR c.disputed_at IS NOT NULL THEN c.claimed_at ELSE $4 END,
        check_at = CASE WHEN c.shown THEN c.check_at ELSE $4 END,
        told_at = CASE WHEN c.told_at > $4::timestamptz - interval '1 hour' THEN c.told_at ELSE $4 END
    RETURNING meter_id, told_at
)
SELECT m.key FROM entered e JOIN meter m ON m.id = e.meter_id WHERE e.told_at = $4 ORDER BY m.key
