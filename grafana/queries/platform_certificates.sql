SELECT coalesce(c.of, 'no gateway has any') AS "Certificate", c.ends_at AS "Ends", c.gateways AS "Gateways"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT of, to_timestamp(min(value)) AS ends_at, string_agg(gateway, ', ' ORDER BY gateway) AS gateways
    FROM gateway_gauge_overview
    WHERE gauge = 'certificate_end_seconds'
    GROUP BY 1
) c ON true
ORDER BY c.ends_at
