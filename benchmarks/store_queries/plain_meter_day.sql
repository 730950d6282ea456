SELECT date_bin('15 minutes', time, '2000-01-01Z'), max(value) - min(value) FROM plain_reading
WHERE series_id = 1 + :run * 37 AND time >= '2026-03-01 23:00Z'::timestamptz + :later
      AND time < '2026-03-02 23:00Z'::timestamptz + :later
GROUP BY 1
