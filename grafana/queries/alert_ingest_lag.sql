SELECT greatest(
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - newest_at))
            FROM ledger WHERE received_at > now() - INTERVAL '5 minutes'),
           (SELECT least(86400, extract(epoch FROM now() - coalesce(newest_at, '-infinity'))) FROM ledger_age)
       )::double precision AS value
WHERE EXISTS (SELECT FROM device_overview WHERE online)
