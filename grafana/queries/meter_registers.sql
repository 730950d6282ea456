-- In the value's own decimals, as the meter's display has them; as texts, so that Grafana rounds nothing.
SELECT coalesce(r.obis, 'no reading yet') AS "OBIS",
       round(r.value::numeric, coalesce(d.decimals, 3))
       || CASE WHEN r.time < s.last_reading_at - INTERVAL '1 day' THEN ' (stale)' ELSE s.note END AS "Value",
       r.unit AS "Unit", r.kind AS "Kind", r.time AS "Time", r.source AS "Source", r.clock AS "Clock"
FROM (VALUES (true)) f
LEFT JOIN latest_reading r ON r.meter = ${meter:sqlstring}
LEFT JOIN (
{meter_decimals}
) d ON d.series_id = r.series_id
LEFT JOIN (
{meter_stale}
) s ON true
ORDER BY r.kind = 'register' DESC, r.obis
