-- One event for a stay that follows another meter's; its registers are filled in as they come.
WITH told AS (
    INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
    SELECT now(), v.at, p.device_id, s.meter_id, 'gateway', 'meter_swapped', 'info',
           jsonb_build_object('point', v.point, 'old', v.old_meter, 'new', v.new_meter, 'stay', v.stay_id,
                              'closing', v.closing, 'opening', v.opening)
    FROM meter_swap v
    JOIN meter_stay s ON s.id = v.stay_id
    JOIN point p ON p.id = s.point_id
    WHERE v.stay_id = $1 AND s.told_at IS NULL
    RETURNING received_at
)
UPDATE meter_stay SET told_at = told.received_at FROM told WHERE meter_stay.id = $1
