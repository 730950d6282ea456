-- Within a gap that begins before the range only what was due in the range would count, and the whole is asked for.
SELECT g.meter, g.from_at, g.until_at, g.cadence_s, g.total AS missing, g.open, coalesce(s.document ? 'history', false) AS remembered
FROM meter_gap_between(now() - make_interval(days => $2), now()) g
JOIN meter m ON m.id = g.meter_id
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
WHERE g.device = $1
ORDER BY g.from_at DESC, g.meter
LIMIT $3
