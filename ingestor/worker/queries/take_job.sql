-- $2 holds it from now on. Whoever had it before has lost it; but who goes on with it ($3) must have it still.
UPDATE job
SET state = 'running', worker = $2, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
    changed_at = clock_timestamp(), last_frame = coalesce(last_frame, (SELECT last_value FROM frame_id_seq))
WHERE id = $1 AND state IN ('queued', 'running') AND ($3::uuid IS NULL OR worker = $3 OR worker IS NULL)
RETURNING kind, selection, spec, since, automatic, attempts, last_frame, total_frames, frames, cursor_meter, cursor_received_at, cursor_frame
