-- An event of the ingestor's own: $1 device, $2 meter, $3 event, $4 severity, $5 detail. The same of the same meter once an hour.
INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
SELECT now(), now(), $1, $2, 'ingestor', $3, $4, $5
WHERE NOT EXISTS (
    SELECT FROM event
    WHERE source = 'ingestor' AND event = $3 AND device_id IS NOT DISTINCT FROM $1 AND meter_id IS NOT DISTINCT FROM $2
          AND received_at > now() - INTERVAL '1 hour'
)
