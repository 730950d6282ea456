SELECT m.key FROM meter_claim c JOIN meter m ON m.id = c.meter_id
WHERE c.device_id = $1 AND c.refused_at IS NOT NULL AND m.key = ANY ($2::text[])
