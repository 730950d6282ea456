-- $1 meters, $2 codes, $3 units and $4 kinds beside one another, $5 how many series a meter may have
INSERT INTO series (meter_id, obis, unit, kind)
SELECT wanted.meter_id, wanted.obis, wanted.unit, wanted.kind
FROM (
    SELECT meter_id, obis, unit, kind, row_number() OVER (PARTITION BY meter_id ORDER BY obis, unit) AS number
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) AS w (meter_id, obis, unit, kind)
    WHERE NOT EXISTS (
        SELECT FROM series s WHERE s.meter_id = w.meter_id AND s.obis = w.obis AND s.unit = w.unit
    )
) wanted
WHERE wanted.number <= $5 - (SELECT count(*) FROM series s WHERE s.meter_id = wanted.meter_id)
ORDER BY wanted.meter_id, wanted.obis, wanted.unit
ON CONFLICT DO NOTHING
RETURNING meter_id
