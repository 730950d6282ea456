SELECT * FROM job_schedule ORDER BY name
