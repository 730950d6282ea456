-- Of each series of meters ($2) the last reading until a time ($3), and the first and the newest after it.
SELECT g.top, s.obis, s.unit, s.kind, o.value AS old, o.time AS old_at, n.value AS new, n.time AS new_at
FROM unnest($1::int[], $2::int[], $3::timestamptz[]) AS g (top, meter_id, old_until)
JOIN series s ON s.meter_id = g.meter_id
CROSS JOIN LATERAL (
    SELECT time, value FROM reading r WHERE r.series_id = s.id AND r.time <= g.old_until ORDER BY r.time DESC LIMIT 1
) o
CROSS JOIN LATERAL (
    (SELECT time, value FROM reading r WHERE r.series_id = s.id AND r.time > g.old_until ORDER BY r.time LIMIT 1)
    UNION
    (SELECT time, value FROM reading r WHERE r.series_id = s.id AND r.time > g.old_until ORDER BY r.time DESC LIMIT 1)
) n
