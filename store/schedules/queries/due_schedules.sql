SELECT * FROM job_schedule WHERE enabled AND next_at <= now() ORDER BY next_at, name LIMIT 100 FOR UPDATE SKIP LOCKED
