SELECT $__timeGroup(at, $__interval) AS "time",
       coalesce(sum(times) FILTER (WHERE NOT refused AND name = ''), 0)::double precision AS "Let in",
       coalesce(sum(times) FILTER (WHERE refused), 0)::double precision AS "Refused"
FROM broker_login_overview
WHERE $__timeFilter(at)
GROUP BY 1
ORDER BY 1
