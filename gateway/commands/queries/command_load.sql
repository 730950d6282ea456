SELECT d.name, count(c.id) AS in_flight, (SELECT count(*) FROM command WHERE state = 'sent') AS in_all
FROM device d
LEFT JOIN command c ON c.device_id = d.id AND c.state = 'sent'
WHERE d.name = ANY($1::text[])
GROUP BY d.name
