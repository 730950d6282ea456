DELETE FROM job_file WHERE job_id = $1 AND NOT complete
