-- The rise of a register within a quarter-hour or since the one before, as the power that it would have taken.
SELECT device, meter, obis, max(rise_kwh / greatest(hours, 0.05))::double precision AS value
FROM (
    SELECT n.device, n.meter, n.obis,
           greatest(r.max_value, r.last_value) - coalesce(lag(r.last_value) OVER w, r.first_value) AS rise_kwh,
           extract(epoch FROM r.last_at - coalesce(lag(r.last_at) OVER w, r.first_at)) / 3600 AS hours
    FROM rollup_15m r
    JOIN series_name n ON n.series_id = r.series_id
    JOIN energy_series e ON e.series_id = r.series_id
    WHERE r.bucket > now() - INTERVAL '75 minutes'
    WINDOW w AS (PARTITION BY r.series_id ORDER BY r.bucket)
) q
WHERE rise_kwh > 0
GROUP BY device, meter, obis
HAVING max(rise_kwh / greatest(hours, 0.05)) >= 1
