-- Of the meters $1 with their specs $2 those with kept frames that no job of that spec took or will take.
SELECT m.id, given.spec
FROM unnest($1::text[], $2::text[]) AS given (key, spec)
JOIN meter m ON m.key = given.key
WHERE EXISTS (
    SELECT FROM frame f
    WHERE f.kind = 'frame' AND f.meter_id = m.id AND f.id > coalesce((
        SELECT max(coalesce(j.last_frame, 9223372036854775807))
        FROM job_meter w JOIN job j ON j.id = w.job_id
        WHERE w.meter_id = m.id AND j.spec = given.spec
    ), 0)
)
ORDER BY m.id
