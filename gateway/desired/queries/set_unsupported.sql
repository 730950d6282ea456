-- A row without parameters says that there was one: what is left out again later has another event.
INSERT INTO parameter_unsupported (device_id, parameters) VALUES ($1, $2::text[])
ON CONFLICT (device_id) DO UPDATE SET parameters = excluded.parameters, noted_at = now()
