SELECT sum(used) FROM (
    SELECT max(value) - min(value) AS used FROM plain_reading
    WHERE time >= '2026-03-01 18:00Z'::timestamptz + :later
          AND time < '2026-03-01 19:00Z'::timestamptz + :later
    GROUP BY series_id
) u
