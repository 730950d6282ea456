UPDATE job
SET total_frames = (
    SELECT count(*)
    FROM frame f
    JOIN job_meter j ON j.meter_id = f.meter_id
    WHERE j.job_id = $1 AND f.kind = 'frame' AND f.id <= job.last_frame
      AND (job.since IS NULL OR coalesce(f.at, f.received_at) >= job.since)
)
WHERE id = $1 AND worker = $2
