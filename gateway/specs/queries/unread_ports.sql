-- Devices send a frame of such a port once an hour, or more often. A meter that came there later is what stands there now.
SELECT d.name AS device, f.port, f.protocol, max(f.hints->>'detail') AS what, count(*) AS frames,
       min(f.received_at) AS since, max(f.received_at) AS last_frame_at
FROM frame f
JOIN device d ON d.id = f.device_id
WHERE f.kind = 'frame' AND f.meter_id IS NULL AND f.detail IN ('other_protocol', 'key_needed')
      AND f.received_at > now() - INTERVAL '25 hours'
      AND NOT EXISTS (SELECT FROM meter m WHERE m.device_id = f.device_id AND m.port = f.port AND m.removed_at IS NULL
                                                AND m.installed_at > f.received_at)
GROUP BY d.name, f.port, f.protocol
ORDER BY d.name, f.port, f.protocol
LIMIT $1
