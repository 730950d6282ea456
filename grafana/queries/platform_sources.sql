SELECT count(*) FILTER (WHERE enabled) AS "Sources on",
       count(*) FILTER (WHERE enabled AND (version IS NULL OR unmapped > 0 OR waiting_since < now() - INTERVAL '5 minutes')) AS "Need a look",
       coalesce(sum(waiting), 0)::double precision AS "Waiting",
       coalesce(extract(epoch FROM now() - min(waiting_since) FILTER (WHERE enabled)), 0)::double precision AS "First has waited",
       coalesce(sum(unmapped), 0)::double precision AS "Unmapped",
       (SELECT count(*) FROM source_proposal_overview WHERE state = 'open') AS "Proposed"
FROM source_overview
