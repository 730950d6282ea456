SELECT device, release, count(*)::double precision AS value
FROM (
    SELECT device, release FROM software_log
    WHERE received_at > now() - INTERVAL '1 hour' AND state IN ('rolled_back', 'refused')
    UNION ALL
    SELECT device, desired FROM software_state WHERE standing IN ('rolled_back', 'refused')
) told
GROUP BY device, release
