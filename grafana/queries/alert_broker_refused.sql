SELECT name, sum(times)::double precision AS value
FROM broker_login_overview
WHERE refused AND at > now() - INTERVAL '1 hour'
GROUP BY 1
