INSERT INTO gateway_gauge AS g (gateway, gauge, of, value)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::double precision[])
ON CONFLICT (gateway, gauge, of) DO UPDATE SET value = excluded.value, at = now()
