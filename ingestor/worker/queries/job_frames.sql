-- The next frames of job $1 up to frame $2, behind the cursor ($3 meter, $4 received_at, $5 frame), none taken before $6:
-- $7 at most, and no more than fit into $8 bytes, but one always. Meter by meter, so that each portion costs the same.
SELECT p.meter_id, d.name AS device, p.received_at, p.id, p.at, p.reason, p.clock, p.data
FROM (
    SELECT n.*, sum(octet_length(n.data)) OVER (ORDER BY n.meter_id, n.received_at, n.id)
                - octet_length(n.data) AS bytes_before
    FROM (
        SELECT j.meter_id, f.device_id, f.received_at, f.id, f.at, f.reason, f.clock, f.data
        FROM job_meter j
        CROSS JOIN LATERAL (
            SELECT f.device_id, f.received_at, f.id, f.at, f.reason, coalesce(f.hints ->> 'clock', '') AS clock, f.data
            FROM frame f
            WHERE f.kind = 'frame' AND f.meter_id = j.meter_id AND f.id <= $2
              AND f.received_at >= CASE WHEN j.meter_id = $3 THEN $4::timestamptz ELSE '-infinity' END
              AND (j.meter_id > $3 OR (f.received_at, f.id) > ($4, $5))
              AND ($6::timestamptz IS NULL OR coalesce(f.at, f.received_at) >= $6)
            ORDER BY f.received_at, f.id
            LIMIT $7
        ) f
        WHERE j.job_id = $1 AND j.meter_id >= $3
        ORDER BY j.meter_id, f.received_at, f.id
        LIMIT $7
    ) n
) p
LEFT JOIN device d ON d.id = p.device_id
WHERE p.bytes_before < $8
ORDER BY p.meter_id, p.received_at, p.id
