SELECT string_agg(concat(q.today, ' ', q.unit), ', ' ORDER BY q.obis) FILTER (WHERE q.today IS NOT NULL) AS "Today",
       string_agg(concat(q.yesterday, ' ', q.unit), ', ' ORDER BY q.obis) FILTER (WHERE q.yesterday IS NOT NULL) AS "Yesterday"
FROM (
    SELECT s.obis, s.unit, sum(c.value) FILTER (WHERE c.bucket = d.today) AS today,
           sum(c.value) FILTER (WHERE c.bucket < d.today) AS yesterday
    FROM (SELECT date_trunc('day', now(), store_zone()) AS today,
                 date_trunc('day', now() AT TIME ZONE store_zone() - INTERVAL '1 day') AT TIME ZONE store_zone() AS yesterday) d
    CROSS JOIN LATERAL consumption_1d(d.yesterday, now(), ARRAY(
        SELECT series_id FROM (
{volume_series}
        ) v
    )) c
    JOIN (
{volume_series}
    ) s ON s.series_id = c.series_id
    GROUP BY s.obis, s.unit
) q
