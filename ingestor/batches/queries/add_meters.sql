-- $1 keys, $2 devices and $3 specs beside one another, $4 how many meters a device may have
INSERT INTO meter (key, device_id, spec, installed_at)
SELECT wanted.key, wanted.device_id, wanted.spec, now()
FROM (
    SELECT key, device_id, spec, row_number() OVER (PARTITION BY device_id ORDER BY key) AS number
    FROM unnest($1::text[], $2::integer[], $3::text[]) AS w (key, device_id, spec)
    WHERE NOT EXISTS (SELECT FROM meter WHERE meter.key = w.key)
) wanted
WHERE wanted.number <= $4 - (SELECT count(*) FROM meter WHERE meter.device_id = wanted.device_id AND removed_at IS NULL)
ORDER BY wanted.key
ON CONFLICT DO NOTHING
RETURNING key
