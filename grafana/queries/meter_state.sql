-- Texts, because only so a register keeps its own decimals, and a value says that it is of another time.
SELECT round(o.power_kw::numeric, 3) || ' kW' ||
       CASE WHEN s.silent OR s.removed OR o.last_reading_at < now() - INTERVAL '15 minutes' THEN ' (stale)' ELSE '' END AS "Power",
       round(o.import_kwh::numeric, d.import_decimals) || ' kWh' || s.note AS "Import register",
       round(o.export_kwh::numeric, d.export_decimals) || ' kWh' || s.note AS "Export register",
       extract(epoch FROM now() - o.last_reading_at)::double precision AS "Age of last reading",
       CASE WHEN s.removed THEN 2 WHEN o.last_reading_at IS NULL THEN 3 WHEN s.silent THEN 0 ELSE 1 END AS "Readings",
       CASE WHEN o.online THEN 1 ELSE 0 END AS "Device"
FROM meter_overview o
CROSS JOIN (
{meter_stale}
) s
CROSS JOIN (
    SELECT coalesce(max(d.decimals) FILTER (WHERE e.direction = 'import'), 3) AS import_decimals,
           coalesce(max(d.decimals) FILTER (WHERE e.direction = 'export'), 3) AS export_decimals
    FROM energy_series e
    JOIN (
{meter_decimals}
    ) d ON d.series_id = e.series_id
    WHERE e.counts
) d
WHERE o.meter = ${meter:sqlstring}
