-- The authority's want a person and a restart; those of listeners are renewed by whoever made them.
SELECT of AS subject, NULL::text AS device, NULL::text AS meter, now() AS since, min(value) - extract(epoch FROM now()) AS value,
       of || ' ends on ' || to_char(to_timestamp(min(value)), 'YYYY-MM-DD') AS detail
FROM gateway_gauge_overview
WHERE gauge = 'certificate_end_seconds' AND $1::interval IS NOT NULL
GROUP BY of
HAVING min(value) - extract(epoch FROM now()) < (CASE WHEN of IN ('root', 'intermediate', 'authority') THEN 90 ELSE 14 END) * 86400
