-- An event an hour: `due` is whether this is the time for one.
INSERT INTO device_twin AS t (device_id, since, seen_at, told_at, boots)
VALUES ($1, $2, $2, $2, $3)
ON CONFLICT (device_id) DO UPDATE
SET since = CASE WHEN t.seen_at < $2::timestamptz - interval '1 hour' THEN $2 ELSE t.since END,
    alternations = CASE WHEN t.seen_at < $2::timestamptz - interval '1 hour' THEN 1 ELSE t.alternations + 1 END,
    told_at = CASE WHEN t.told_at > $2::timestamptz - interval '1 hour' THEN t.told_at ELSE $2 END,
    seen_at = $2, boots = excluded.boots
RETURNING told_at = $2 AS due, alternations, since
