-- $1 meters whose newest move this transaction has made, $2 the times before which nothing of theirs may change. A meter's clock may be a
-- quarter of an hour slow. Never before the move before.
WITH made AS (
    SELECT v.id, greatest(m.installed_at, b.at) AS at, greatest(w.floor, b.at) AS floor
    FROM unnest($1::text[], $2::timestamptz[]) AS w (key, floor)
    JOIN meter m ON m.key = w.key
    CROSS JOIN LATERAL (SELECT id, meter_id FROM meter_move WHERE meter_id = m.id ORDER BY id DESC LIMIT 1) v
    LEFT JOIN LATERAL (
        SELECT at FROM meter_move WHERE meter_id = m.id AND meter_move.id < v.id ORDER BY meter_move.id DESC LIMIT 1
    ) b ON true
)
UPDATE meter_move v
SET at = made.at, from_at = least(made.at, greatest(made.at - INTERVAL '15 minutes', made.floor)), why = $3, author = $4
FROM made
WHERE v.id = made.id
