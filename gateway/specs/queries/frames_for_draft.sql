-- Frames that nobody could read at all say little of a product, and come last.
SELECT f.id, m.key AS meter, f.at, f.received_at, f.data, m.facts->>'line' AS line
FROM frame f
JOIN meter m ON m.id = f.meter_id
WHERE f.kind = 'frame' AND f.meter_id = ANY($1::int[])
ORDER BY f.reason = 'bad_frame', f.received_at DESC, f.id DESC
LIMIT $2
