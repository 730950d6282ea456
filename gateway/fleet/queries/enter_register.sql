WITH entered AS (
    INSERT INTO meter_register (stay_id, meter_id, point_id, kind, obis, unit, value, at, read_by)
    SELECT s.id, s.meter_id, s.point_id, $2, $3, $4, $5, $6, $7 FROM meter_stay s WHERE s.id = $1
    ON CONFLICT (stay_id, kind, obis, unit) DO UPDATE
    SET value = excluded.value, at = excluded.at, read_by = excluded.read_by
    RETURNING *
)
INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
SELECT now(), e.at, p.device_id, e.meter_id, 'gateway', 'register_read', 'info',
       jsonb_build_object('point', p.name, 'kind', e.kind, 'obis', e.obis, 'unit', e.unit, 'value', e.value, 'author', e.read_by)
FROM entered e
JOIN point p ON p.id = e.point_id
