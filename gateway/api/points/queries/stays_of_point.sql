SELECT m.key AS meter, s.installed_at, s.removed_at, stay_registers(s.id, 'opening') AS opening,
       stay_registers(s.id, 'closing') AS closing
FROM meter_stay s
JOIN meter m ON m.id = s.meter_id
WHERE s.point_id = $1
ORDER BY s.installed_at DESC, s.id DESC
LIMIT 100
