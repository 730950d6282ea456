-- As of the newest reading, of the last day: it, all within $2 before it, and the last before those lie beyond.
SELECT s.meter AS subject, s.device, s.meter, b.time AS since, n.value, s.obis || ' is ' || n.value || ' ' || s.unit AS detail
FROM series_name s
CROSS JOIN LATERAL (
    SELECT time, value FROM reading WHERE series_id = s.series_id AND time > now() - INTERVAL '1 day' ORDER BY time DESC LIMIT 1
) n
CROSS JOIN LATERAL (
    SELECT time, value FROM reading
    WHERE series_id = s.series_id AND time <= n.time - $2::interval AND time > n.time - $2::interval - INTERVAL '1 day'
    ORDER BY time DESC
    LIMIT 1
) b
WHERE s.obis = $1 AND (n.value > $3 OR n.value < $4) AND (b.value > $3 OR b.value < $4)
      AND NOT EXISTS (
          SELECT FROM reading r
          WHERE r.series_id = s.series_id AND r.time BETWEEN b.time AND n.time AND NOT (coalesce(r.value > $3, false) OR coalesce(r.value < $4, false)))
