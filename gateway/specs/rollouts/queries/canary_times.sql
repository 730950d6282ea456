-- The newest payloads that quarantine holds for an impossible time or value.
SELECT data, reason FROM frame
WHERE kind = 'payload' AND reason IN ('implausible_time', 'implausible_value') AND device_id = ANY($1::int[]) AND received_at >= $2
ORDER BY received_at DESC
LIMIT 500
