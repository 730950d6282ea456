INSERT INTO device (name, registration, registered_at)
SELECT 'restore-' || lpad(n::text, 5, '0'), '{"software": {"version": "0.1.0"}}', now()
FROM generate_series(1, $1::int) AS n
