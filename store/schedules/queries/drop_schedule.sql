DELETE FROM job_schedule WHERE name = $1 RETURNING true
