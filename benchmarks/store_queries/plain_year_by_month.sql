SELECT month, sum(used) FROM (
    SELECT date_trunc('month', time, 'Europe/Warsaw') AS month, max(value) - min(value) AS used FROM plain_reading
    GROUP BY series_id, 1
) u
GROUP BY 1 -- :run
