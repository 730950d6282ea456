INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
VALUES (now(), now(), (SELECT id FROM device WHERE name = $1), (SELECT id FROM meter WHERE key = $2), 'gateway', $3, $4,
        $5)
