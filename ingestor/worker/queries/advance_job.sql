-- Only for who holds the job ($2) and stands where it stands ($3): a portion that was entered before changes nothing.
UPDATE job
SET cursor_meter = $4, cursor_received_at = $5, cursor_frame = $6, frames = frames + $7,
    undecodable = undecodable + $8, readings = readings + $9, repeated = repeated + $10, refused = refused + $11,
    note = coalesce(note, $12), changed_at = clock_timestamp(), deaths = 0
WHERE id = $1 AND worker = $2 AND state = 'running' AND cursor_frame IS NOT DISTINCT FROM $3
RETURNING true
