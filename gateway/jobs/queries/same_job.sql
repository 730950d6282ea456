-- A job that nobody has taken yet and that does all of this anyway.
SELECT j.id FROM job j
WHERE j.spec = $1 AND j.state = 'queued' AND j.attempts = 0 AND (j.since IS NULL OR j.since <= $2)
  AND NOT EXISTS (
      SELECT FROM unnest($3::integer[]) AS wanted (meter_id)
      WHERE NOT EXISTS (SELECT FROM job_meter w WHERE w.job_id = j.id AND w.meter_id = wanted.meter_id)
  )
ORDER BY j.id LIMIT 1
FOR UPDATE SKIP LOCKED
