-- Codes that standing meters have sent, of those whose keys fit $1 (patterns of LIKE; none for all): $2 itself, first,
-- and those in unit $3, by how many meters have them.
SELECT s.obis, count(DISTINCT s.meter_id) AS meters
FROM series s
JOIN meter m ON m.id = s.meter_id AND m.removed_at IS NULL
WHERE ($1::text[] = '{}' OR m.key LIKE ANY ($1)) AND (s.obis = $2 OR s.unit = $3)
GROUP BY s.obis
ORDER BY s.obis = $2 DESC, count(DISTINCT s.meter_id) DESC, s.obis
LIMIT 6
