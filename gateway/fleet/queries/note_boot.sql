-- $1 device, $2 boot, $3 its own time, $4 received, $5 to $7 hardware and software; the newest $8 boots are kept
WITH noted AS (
    INSERT INTO device_boot AS b (device_id, boot, first_at, last_at, last_registered_at, hardware_serial, hardware_model, software)
    VALUES ($1, $2, $3, $3, $4, $5, $6, $7)
    ON CONFLICT (device_id, boot) DO UPDATE
    SET last_at = excluded.last_at, last_registered_at = excluded.last_registered_at, software = excluded.software
)
DELETE FROM device_boot
WHERE device_id = $1 AND boot <> $2 AND boot NOT IN (
    SELECT boot FROM device_boot WHERE device_id = $1 ORDER BY last_registered_at DESC LIMIT $8)
