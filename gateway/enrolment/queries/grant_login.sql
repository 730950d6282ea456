INSERT INTO credential (identity, device, kind, granted_by) VALUES ($1, $2, 'certificate', $3)
