SELECT (SELECT count(*) / 300.0 FROM ledger WHERE received_at > now() - INTERVAL '5 minutes') AS "Messages",
       (SELECT extract(epoch FROM now() - newest_at) FROM ledger_age)::double precision AS "Age of newest",
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - newest_at)) FROM ledger
        WHERE received_at > now() - INTERVAL '5 minutes') AS "Lag",
       (SELECT age_s FROM ledger_age) AS "Age of summary"
