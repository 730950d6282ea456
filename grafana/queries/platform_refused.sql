SELECT coalesce(r.name, 'nobody in this range') AS "Claimed name", r.times AS "Times", r.last_at AS "Last"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT name, sum(times) AS times, max(at) AS last_at
    FROM broker_login_overview
    WHERE $__timeFilter(at) AND refused
    GROUP BY 1
    ORDER BY 2 DESC, 1
    LIMIT 50
) r ON true
ORDER BY r.times DESC, r.name
