SELECT max(value) FILTER (WHERE gauge = 'credentials_unmatched') AS "Not as decided",
       max(value) FILTER (WHERE gauge = 'enrolments_waiting') AS "Wait for a person",
       (SELECT coalesce(sum(times), 0)::double precision FROM broker_login_overview
        WHERE refused AND at > now() - INTERVAL '1 hour') AS "Refused in an hour",
       (min(value) FILTER (WHERE gauge = 'certificate_end_seconds') - extract(epoch FROM now())) / 86400 AS "First certificate ends in"
FROM gateway_gauge_overview
