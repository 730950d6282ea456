-- Those of listeners are renewed by themselves or by whoever made them; the authority's want a person and a restart.
SELECT of, CASE WHEN left_s < (CASE WHEN of IN ('root', 'intermediate', 'authority') THEN 90 ELSE 14 END) * 86400 THEN 1 ELSE 0 END
           ::double precision AS value,
       to_char(now() + make_interval(secs => left_s), 'YYYY-MM-DD') AS ends
FROM (
    SELECT of, min(value) - extract(epoch FROM now()) AS left_s
    FROM gateway_gauge_overview
    WHERE gauge = 'certificate_end_seconds'
    GROUP BY 1
) c
