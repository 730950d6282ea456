-- A meter that was taken away before the time, or set up behind it, has no part in it.
SELECT m.id AS meter_id, m.key AS meter, d.name AS device, p.name AS point, m.removed_at,
       coalesce(l.facts || l.labels, '{}') AS labels
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN point p ON p.id = m.point_id
LEFT JOIN device_label_set l ON l.device_id = m.device_id
WHERE ($1::text[] IS NULL OR m.key = ANY ($1)) AND (m.removed_at IS NULL OR m.removed_at > $2)
      AND (m.installed_at IS NULL OR m.installed_at < $3 OR EXISTS (
          SELECT FROM series s JOIN rollup_1d r ON r.series_id = s.id
          WHERE s.meter_id = m.id AND r.bucket >= bucket_start('1d', $2) AND r.bucket < $3))
ORDER BY d.name NULLS LAST, m.key
LIMIT $4
