INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
SELECT now(), now(), s.device_id, 'ingestor', $2, 'warning', $3
FROM source s
WHERE s.name = $1
