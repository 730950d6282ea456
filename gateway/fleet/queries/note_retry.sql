UPDATE meter_move
SET retries_left = retries_left - 1, retry_at = CASE WHEN retries_left > 1 THEN now() + make_interval(secs => $2) END
WHERE id = $1
