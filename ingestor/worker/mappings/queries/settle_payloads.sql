-- What became of payloads, and that their source was heard; $2 its device, $3 the version that was tried.
WITH done AS (
    UPDATE payload p
    SET state = d.state, version = $3, readings = d.readings, events = d.events, reason = d.reason, mapped_at = now()
    FROM unnest($1::bigint[], $4::text[], $5::integer[], $6::integer[], $7::text[])
         AS d (id, state, readings, events, reason)
    WHERE p.id = d.id AND p.state = 'waiting'
    RETURNING p.received_at
)
UPDATE device v SET last_seen_at = greatest(v.last_seen_at, d.last)
FROM (SELECT max(received_at) AS last FROM done) d
WHERE v.id = $2 AND d.last IS NOT NULL
