SELECT * FROM job_overview WHERE job_id = $1
