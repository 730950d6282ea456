-- A day of UTC counts where it lies in the range, also in part.
SELECT f.device AS "Device", q.day::timestamp AT TIME ZONE 'UTC' AS "Day", coalesce(q.quota, 'nobody was over one in this range') AS "Quota",
       q.allowed AS "Allowed a day", q.used AS "Used", q.cut AS "Cut", q.cut_bytes AS "Cut bytes", q.cut_at AS "Last"
FROM (VALUES (true)) v
LEFT JOIN device_quota q ON q.cut > 0 AND (q.day + 1)::timestamp AT TIME ZONE 'UTC' > $__timeFrom()
                        AND q.day::timestamp AT TIME ZONE 'UTC' < $__timeTo()
                        AND (q.device = '' OR q.device IN (${device:sqlstring}))
LEFT JOIN LATERAL (SELECT nullif(q.device, '') AS device) f ON true
ORDER BY q.day DESC, q.cut_bytes DESC
LIMIT 100
