INSERT INTO device_labels AS l (device_id, labels, author, reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (device_id) DO UPDATE
SET labels = excluded.labels, version = l.version + 1, author = excluded.author, reason = excluded.reason, changed_at = now()
