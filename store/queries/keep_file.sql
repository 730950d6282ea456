UPDATE job_file SET job_id = $2, expires_at = greatest(expires_at, now() + $3::interval) WHERE id = $1 AND complete RETURNING true
