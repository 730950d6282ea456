UPDATE meter_claim c SET shown = false
FROM meter m
WHERE c.device_id = $1 AND c.shown AND m.id = c.meter_id AND m.key <> ALL ($2::text[])
