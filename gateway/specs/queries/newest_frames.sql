SELECT asked.id AS meter_id, newest.data
FROM unnest($1::int[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT f.data FROM frame f
    WHERE f.kind = 'frame' AND f.meter_id = asked.id AND f.reason <> 'bad_frame'
    ORDER BY f.received_at DESC
    LIMIT 1
) newest
