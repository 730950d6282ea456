-- Who waits for a person: meters for a key or a password, devices to be let in.

CREATE OR REPLACE VIEW meter_secret_wanted AS
SELECT m.key AS meter, d.name AS device, 'key ' || (m.facts ->> 'key_state') AS state, f.received_at AS told_at,
       'its frames are kept until the right key is set' AS detail
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN LATERAL (
    SELECT received_at FROM frame WHERE meter_id = m.id AND kind = 'frame' ORDER BY received_at DESC LIMIT 1
) f ON true
WHERE m.removed_at IS NULL AND m.facts ->> 'key_state' IN ('missing', 'wrong')
UNION ALL
SELECT m.key, d.name, CASE WHEN e.detail ->> 'reason' = 'secret_missing' THEN 'secret missing' ELSE 'access refused' END,
       e.received_at, e.detail ->> 'detail'
FROM (
    SELECT DISTINCT ON (meter_id) meter_id, received_at, event, detail
    FROM event
    WHERE received_at > now() - INTERVAL '3 days' AND meter_id IS NOT NULL
          AND event IN ('meter_access_refused', 'meter_access_granted', 'history_refused', 'history_read')
    ORDER BY meter_id, received_at DESC
) e
JOIN meter m ON m.id = e.meter_id
LEFT JOIN device d ON d.id = m.device_id
WHERE m.removed_at IS NULL
      AND (e.event = 'meter_access_refused' AND e.received_at > now() - INTERVAL '90 minutes'
           OR e.event = 'history_refused' AND e.detail ->> 'reason' = 'meter_refused')
      AND NOT EXISTS (SELECT FROM meter_key k WHERE k.meter_id = m.id AND k.set_at > e.received_at);
COMMENT ON VIEW meter_secret_wanted IS
    'Meters in place that want a key or a password: of ciphered ones as their devices registered it, of polled ones as events told it last (each hour; of a load profile once) unless one was set since.';

CREATE OR REPLACE VIEW waiting_device AS
SELECT device, hardware, claim, address, reason, asked_at, last_asked_at
FROM enrolment
WHERE state = 'waiting';
COMMENT ON VIEW waiting_device IS 'Devices that wait for a person to let them in or refuse them, and why.';

GRANT SELECT ON meter_secret_wanted, waiting_device TO wattline_gateway, wattline_grafana;
