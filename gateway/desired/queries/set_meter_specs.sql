-- The spec in use of each meter and of those behind it at the same device.
UPDATE meter SET spec = given.spec
FROM unnest($1::text[], $2::text[]) AS given (key, spec)
JOIN meter top ON top.key = given.key
WHERE (meter.id = top.id OR (meter.parent_id = top.id AND meter.device_id = top.device_id)) AND meter.spec IS DISTINCT FROM given.spec
