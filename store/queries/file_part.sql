SELECT data FROM job_file_part WHERE file_id = $1 AND part = $2
