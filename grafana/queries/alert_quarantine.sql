-- What is usual is the mean hour of the day before; a reason that is as frequent as ever is no news.
SELECT reason, lately::double precision AS value
FROM (
    SELECT reason, count(*) FILTER (WHERE received_at > now() - INTERVAL '1 hour') AS lately,
           count(*) FILTER (WHERE received_at <= now() - INTERVAL '1 hour') / 24.0 AS usual
    FROM quarantine
    WHERE received_at > now() - INTERVAL '25 hours'
    GROUP BY reason
) q
WHERE lately > 3 * usual
