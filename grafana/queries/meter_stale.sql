-- Whether a meter has fallen silent by its own pace, or stands here no more: its newest values are then of another time than now.
SELECT last_reading_at, removed, silent, CASE WHEN silent OR removed THEN ' (stale)' ELSE '' END AS note
FROM (
    SELECT m.last_reading_at, m.removed_at IS NOT NULL AS removed,
           m.last_reading_at IS NULL OR EXISTS (
               SELECT FROM meter_silence(make_interval(mins => ${silent_min:sqlstring}::integer)) s WHERE s.meter = m.meter
           ) AS silent
    FROM meter_overview m
    WHERE m.meter = ${meter:sqlstring}
) m
