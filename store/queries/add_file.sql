INSERT INTO job_file (job_id, name, media, author, expires_at) VALUES ($1, $2, $3, $4, now() + $5::interval) RETURNING id
