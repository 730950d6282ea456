INSERT INTO stored_span (from_at, until_at, series) VALUES ($1, $2, $3)
