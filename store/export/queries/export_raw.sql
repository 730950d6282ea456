-- A page: what comes after the last row of the page before, ($4, $5).
SELECT r.time, r.series_id, r.value, o.source, o.clock
FROM reading r
JOIN reading_source o ON o.id = r.source
WHERE r.series_id = ANY ($1::integer[]) AND r.time >= $2 AND r.time < $3 AND (r.time, r.series_id) > ($4, $5)
ORDER BY r.time, r.series_id
LIMIT $6
