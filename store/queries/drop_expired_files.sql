DELETE FROM job_file WHERE expires_at < now()
