SELECT c.meter_id, m.key, p.key AS parent, c.device_id, d.name AS device, m.device_id AS owner_id, o.name AS owner, c.since,
       c.claimed_at, c.disputed_at, c.refused_at, c.shown, m.removed_at, h.read_at, h.heard_at, h.cadence_s, now() AS now
FROM meter m
JOIN meter_claim c ON c.meter_id = m.id
JOIN device d ON d.id = c.device_id AND d.name = $2
JOIN device o ON o.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
JOIN meter_heard(ARRAY(SELECT id FROM meter WHERE key = $1)) h ON h.meter_id = m.id
WHERE m.key = $1
