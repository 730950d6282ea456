SELECT o.device AS "Device", o.meter AS "Meter", CASE WHEN o.meter IS NULL THEN 'no meter has registered yet' ELSE o.says END AS "Product",
       o.spec AS "Spec", n.power_kw AS "Power now", t.energy_kwh AS "Energy today", o.import_kwh AS "Register",
       o.export_kwh AS "Export register", o.last_reading_at AS "Last reading", o.readings AS "Readings",
       o.last_seen_at AS "Device seen", CASE WHEN o.online THEN 1 WHEN o.meter IS NOT NULL THEN 0 END AS "Online", o.board AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT m.device, m.meter, concat_ws(' ', m.manufacturer, m.product) AS says, m.spec, m.import_kwh, m.export_kwh, m.last_reading_at,
           CASE WHEN m.last_reading_at IS NULL THEN 'never' WHEN s.meter IS NOT NULL THEN 'silent' ELSE 'coming' END AS readings,
           m.last_seen_at, m.online,
           CASE WHEN m.meter IN (
{volume_meters}
           ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS board
    FROM meter_overview m
    LEFT JOIN meter_silence(make_interval(mins => ${silent_min:sqlstring}::integer)) s ON s.meter = m.meter
    WHERE (m.meter IN (${meter:sqlstring}) OR m.parent IN (${meter:sqlstring})) AND m.removed_at IS NULL
) o ON true
LEFT JOIN (
{meter_today}
) t ON t.meter = o.meter
LEFT JOIN (
{meter_now}
) n ON n.meter = o.meter
ORDER BY o.device, o.meter
