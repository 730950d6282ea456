SELECT d.name AS device, m.boot, m.seq, m.rows, m.kind, extract(epoch FROM min(m.stored_at))::float8 AS stored_s,
       count(*) AS deliveries
FROM message m JOIN device d ON d.id = m.device_id
-- a stranger may say any number
WHERE d.name = ANY ($1)
GROUP BY d.name, m.boot, m.seq, m.rows, m.kind
