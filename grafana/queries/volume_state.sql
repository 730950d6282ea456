SELECT (
           SELECT string_agg(round(r.value::numeric, coalesce(d.decimals, 3)) || ' ' || r.unit || s.note, ', ' ORDER BY r.obis)
           FROM latest_reading r
           JOIN (
{volume_series}
           ) v ON v.series_id = r.series_id
           LEFT JOIN (
{meter_decimals}
           ) d ON d.series_id = r.series_id
           WHERE r.meter = o.meter
       ) AS "Register",
       extract(epoch FROM now() - o.last_reading_at)::double precision AS "Age of last reading",
       CASE WHEN s.removed THEN 2 WHEN o.last_reading_at IS NULL THEN 3 WHEN s.silent THEN 0 ELSE 1 END AS "Readings",
       CASE WHEN o.online THEN 1 ELSE 0 END AS "Device"
FROM meter_overview o
CROSS JOIN (
{meter_stale}
) s
WHERE o.meter = ${meter:sqlstring}
