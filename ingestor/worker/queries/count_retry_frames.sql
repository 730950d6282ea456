UPDATE job
SET total_frames = (
    SELECT count(*)
    FROM frame f
    LEFT JOIN device d ON d.id = f.device_id
    LEFT JOIN meter m ON m.id = f.meter_id
    WHERE f.kind = 'payload' AND f.resolved_at IS NULL AND f.id <= job.last_frame
          AND (job.since IS NULL OR f.received_at >= job.since)
          AND (job.selection ->> 'until' IS NULL OR f.received_at < (job.selection ->> 'until')::timestamptz)
          AND (job.selection ->> 'cause' IS NULL OR f.reason = job.selection ->> 'cause')
          AND (job.selection ->> 'device' IS NULL OR d.name = job.selection ->> 'device')
          AND (job.selection ->> 'meter' IS NULL OR m.key = job.selection ->> 'meter')
          AND (job.selection ->> 'id' IS NULL OR f.id = (job.selection ->> 'id')::bigint)
)
WHERE id = $1 AND worker = $2
