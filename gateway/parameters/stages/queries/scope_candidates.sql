SELECT s.device_id AS id, s.labels || s.facts AS labels, coalesce(d.online, false) AS online
FROM device_label_set s JOIN device d ON d.id = s.device_id
WHERE s.device_id = ANY($1::int[])
ORDER BY s.device_id
