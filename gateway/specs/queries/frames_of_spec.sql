-- The newest raw frames of the meters that some version of a spec reads now.
SELECT f.id, m.key AS meter, f.at, f.received_at, f.data
FROM frame f
JOIN meter_spec x ON x.meter_id = f.meter_id
JOIN meter m ON m.id = f.meter_id
WHERE f.kind = 'frame' AND f.protocol = $2 AND split_part(x.spec, '@', 1) = $1
ORDER BY f.received_at DESC, f.id DESC
LIMIT $3
