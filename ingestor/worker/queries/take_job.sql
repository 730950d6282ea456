-- $2 holds it from now on. Whoever had it before has lost it; but who goes on with it ($3) must have it still.
UPDATE job
SET state = 'running', worker = $2, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
    changed_at = clock_timestamp(), not_before = NULL,
    -- who had it has not given it back
    deaths = deaths + CASE WHEN state = 'running' AND $3::uuid IS NULL THEN 1 ELSE 0 END,
    last_frame = coalesce(last_frame, CASE WHEN kind IN ('redecode', 'retry') THEN (SELECT last_value FROM frame_id_seq) END)
WHERE id = $1 AND state IN ('queued', 'running') AND ($3::uuid IS NULL OR worker = $3 OR worker IS NULL)
RETURNING kind, arguments, author, reason, failures, deaths, saved, done, total, selection, spec, since, automatic, attempts,
          last_frame, total_frames, frames, cursor_meter, cursor_received_at, cursor_frame
