-- Meters of which frames came in since $1 that their device could not read, but their spec may: frames of before it had
-- the spec, which waited in its outbox, or in ours. Those that a job took, however it ended, are not late.
SELECT x.meter_id AS id, x.spec
FROM meter_spec x
JOIN spec s ON s.name || '@' || s.version = x.spec
WHERE x.parent_id IS NULL AND EXISTS (
    SELECT FROM frame f
    WHERE f.kind = 'frame' AND f.meter_id = x.meter_id AND f.received_at >= $1
      AND (f.reason = 'no_spec' OR (f.reason = 'key_missing' AND EXISTS (SELECT FROM meter_key k WHERE k.meter_id = x.meter_id))
           OR (f.reason = 'undecodable' AND f.at < s.published_at))
      AND f.id > coalesce((
          SELECT max(coalesce(j.last_frame, 9223372036854775807))
          FROM job_meter w JOIN job j ON j.id = w.job_id
          WHERE w.meter_id = x.meter_id AND j.spec = x.spec
      ), 0)
)
ORDER BY x.meter_id
LIMIT 10000
