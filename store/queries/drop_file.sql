DELETE FROM job_file WHERE id = $1
