SELECT d.name AS device, m.boot, m.seq, m.rows, m.kind, extract(epoch FROM min(m.stored_at))::float8 AS stored_s,
       count(*) AS deliveries
FROM message m JOIN device d ON d.id = m.device_id
GROUP BY d.name, m.boot, m.seq, m.rows, m.kind
