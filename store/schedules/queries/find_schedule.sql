SELECT * FROM job_schedule WHERE name = $1
