UPDATE meter_claim c SET check_at = now() FROM meter m WHERE m.id = c.meter_id AND c.shown AND m.key = ANY ($1::text[])
