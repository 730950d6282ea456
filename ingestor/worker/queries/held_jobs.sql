SELECT id, worker FROM job WHERE id = ANY ($1::bigint[]) AND state = 'running' AND worker IS NOT NULL
