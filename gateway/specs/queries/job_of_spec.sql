SELECT max(id) FROM job WHERE spec = $1 AND state = 'queued'
