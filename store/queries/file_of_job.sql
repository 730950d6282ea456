SELECT * FROM job_file WHERE job_id = $1 AND complete ORDER BY id DESC LIMIT 1
