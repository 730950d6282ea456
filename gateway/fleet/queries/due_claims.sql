-- Of the devices whose claims have waited longest, all open claims: what stands behind a meter goes with it.
WITH due AS (
    SELECT device_id, min(check_at) AS check_at FROM meter_claim
    WHERE shown AND refused_at IS NULL AND check_at <= now()
    GROUP BY device_id
    ORDER BY 2
    LIMIT $1
), open AS MATERIALIZED (
    SELECT c.* FROM meter_claim c JOIN due USING (device_id) WHERE c.shown AND c.refused_at IS NULL
)
SELECT c.meter_id, m.key, p.key AS parent, c.device_id, d.name AS device, m.device_id AS owner_id, o.name AS owner, c.since,
       c.claimed_at, c.disputed_at, c.refused_at, c.shown, m.removed_at, h.read_at, h.heard_at, h.cadence_s, now() AS now
FROM open c
JOIN meter m ON m.id = c.meter_id
JOIN device d ON d.id = c.device_id
JOIN device o ON o.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
JOIN meter_heard(ARRAY(SELECT DISTINCT meter_id FROM open)) h ON h.meter_id = c.meter_id
ORDER BY c.device_id, m.key
