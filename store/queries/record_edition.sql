INSERT INTO installation (name, value) VALUES ('edition_sql', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, recorded_at = clock_timestamp()
