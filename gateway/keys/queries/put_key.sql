INSERT INTO meter_key (meter_id, kinds, sealed, master, fingerprint, device_id, set_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (meter_id) DO UPDATE SET kinds = EXCLUDED.kinds, sealed = EXCLUDED.sealed, master = EXCLUDED.master,
    fingerprint = EXCLUDED.fingerprint, device_id = EXCLUDED.device_id, set_by = EXCLUDED.set_by, set_at = now(),
    revision = DEFAULT
