UPDATE device SET registration = $2, registered_at = $3
WHERE id = $1 AND registration IS DISTINCT FROM $2
