SELECT coalesce(w.device, 'no device waits') AS "Name", w.hardware AS "Hardware", w.address AS "From", w.claim AS "Claim",
       w.reason AS "Why", w.asked_at AS "First asked", w.last_asked_at AS "Asked last"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, hardware, address, claim, reason, asked_at, last_asked_at
    FROM waiting_device
    ORDER BY asked_at
    LIMIT 100
) w ON true
ORDER BY w.asked_at
