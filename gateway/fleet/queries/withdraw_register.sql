-- As the readings say again, which are looked for at once.
WITH withdrawn AS (
    DELETE FROM meter_register WHERE stay_id = $1 AND kind = $2 AND obis = $3 AND read_by IS NOT NULL RETURNING *
), due AS (
    UPDATE meter_stay SET check_at = now() FROM withdrawn WHERE id = withdrawn.stay_id
)
INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
SELECT now(), now(), p.device_id, w.meter_id, 'gateway', 'register_read', 'info',
       jsonb_build_object('point', p.name, 'kind', w.kind, 'obis', w.obis, 'value', NULL, 'author', $4::text)
FROM withdrawn w
JOIN point p ON p.id = w.point_id
