SELECT p.parameter, count(*) AS count, (array_agg(d.name ORDER BY d.name))[:$3::int] AS devices
FROM parameter_unsupported u
JOIN device d ON d.id = u.device_id
CROSS JOIN LATERAL unnest(u.parameters) AS p (parameter)
WHERE p.parameter = ANY($1::text[]) AND ($2::int[] IS NULL OR u.device_id = ANY($2::int[]))
GROUP BY p.parameter
ORDER BY p.parameter
