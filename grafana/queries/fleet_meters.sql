SELECT o.device AS "Device", o.meter AS "Meter", concat_ws(' ', o.manufacturer, o.product) AS "Product", o.spec AS "Spec",
       n.power_kw AS "Power now", t.energy_kwh AS "Energy today", o.import_kwh AS "Register", o.export_kwh AS "Export register",
       o.last_reading_at AS "Last reading",
       o.last_seen_at AS "Device seen", CASE WHEN o.online THEN 1 ELSE 0 END AS "Online"
FROM meter_overview o
LEFT JOIN (
{meter_today}
) t ON t.meter = o.meter
LEFT JOIN (
{meter_now}
) n ON n.meter = o.meter
WHERE (o.meter IN (${meter:sqlstring}) OR o.parent IN (${meter:sqlstring})) AND o.removed_at IS NULL
ORDER BY o.device, o.meter
