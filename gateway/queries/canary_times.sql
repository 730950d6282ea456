-- The newest payloads that quarantine holds for an impossible time.
SELECT data FROM frame
WHERE kind = 'payload' AND reason = 'implausible_time' AND device_id = ANY($1::int[]) AND received_at >= $2
ORDER BY received_at DESC
LIMIT 500
