DELETE FROM software_history
WHERE device_id = $1 AND id <= (SELECT id FROM software_history WHERE device_id = $1 ORDER BY id DESC OFFSET $2::int LIMIT 1)
