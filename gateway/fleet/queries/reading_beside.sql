-- Of a stay's readings the last until a closing register, or the first from an opening one on.
SELECT r.time, r.value
FROM stay_span s
CROSS JOIN LATERAL (
    (SELECT time, value FROM reading
     WHERE $3 = 'closing' AND series_id = $2 AND time >= s.from_at AND time <= $4 ORDER BY time DESC LIMIT 1)
    UNION ALL
    (SELECT time, value FROM reading
     WHERE $3 = 'opening' AND series_id = $2 AND time >= $4 AND time < s.until_at ORDER BY time LIMIT 1)
) r
WHERE s.stay_id = $1
