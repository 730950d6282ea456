UPDATE job_file SET complete = true, sha256 = $2 WHERE id = $1
