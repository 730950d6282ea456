SELECT c.claimed_at AS "Claimed", coalesce(c.meter, 'no device claims a meter of another''s') AS "Meter", c.owner AS "Stands at",
       c.device AS "Claimed by", c.state AS "Standing", c.seen_at AS "Shown last",
       CASE WHEN c.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT meter, owner, device, claimed_at, seen_at, state
    FROM meter_claim_overview
    WHERE state <> 'withdrawn' AND (device IN (${device:sqlstring}) OR owner IN (${device:sqlstring}))
    ORDER BY claimed_at DESC
    LIMIT 100
) c ON true
ORDER BY c.claimed_at DESC
