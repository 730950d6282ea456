SELECT state, count(*) AS commands FROM command WHERE batch = $1 GROUP BY state
