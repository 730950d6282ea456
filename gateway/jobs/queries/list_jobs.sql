SELECT * FROM job_overview
WHERE job_id < $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR spec = $3 OR split_part(spec, '@', 1) = $3)
      AND ($4::text IS NULL OR kind = $4)
ORDER BY job_id DESC
LIMIT $5
