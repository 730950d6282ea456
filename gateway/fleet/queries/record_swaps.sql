-- One event for each of these stays that follows another meter's; their registers are filled in as they come.
WITH recorded AS (
    INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
    SELECT now(), v.at, p.device_id, s.meter_id, 'gateway', 'meter_swapped', 'info',
           jsonb_build_object('point', v.point, 'old', v.old_meter, 'new', v.new_meter, 'stay', v.stay_id,
                              'closing', v.closing, 'opening', v.opening)
    FROM meter_swap v
    JOIN meter_stay s ON s.id = v.stay_id
    JOIN point p ON p.id = s.point_id
    WHERE v.stay_id = ANY($1::integer[]) AND s.told_at IS NULL
    ORDER BY v.stay_id
    RETURNING received_at, (detail ->> 'stay')::integer AS stay_id
)
UPDATE meter_stay SET told_at = recorded.received_at FROM recorded WHERE meter_stay.id = recorded.stay_id
