SELECT * FROM job_file WHERE id = $1
