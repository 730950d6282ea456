SELECT coalesce(p.name, 'nothing is proposed') AS "Proposal", p.broker AS "Broker", p.meters AS "Meters",
       p.left_out AS "Left out", array_to_string(p.topics, ', ') AS "Topics", p.first_at AS "First heard", p.last_at AS "Heard"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT id, name, broker, topics, first_at, last_at,
           CASE WHEN jsonb_typeof(detail -> 'meters') = 'array' THEN jsonb_array_length(detail -> 'meters') END AS meters,
           CASE WHEN jsonb_typeof(detail -> 'left_out') = 'object'
                THEN (SELECT count(*) FROM jsonb_object_keys(detail -> 'left_out')) END AS left_out
    FROM source_proposal_overview
    WHERE state = 'open'
    ORDER BY id DESC
    LIMIT 100
) p ON true
ORDER BY p.id DESC
