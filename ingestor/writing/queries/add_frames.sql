-- The arrays beside one another are the columns, hints as JSON; $14 says which rows may be in already: of these only those
-- are entered whose delivery nobody has claimed. In the order of the claims, the same for everybody, so that two writers
-- can't wait for each other.
WITH incoming AS (
    SELECT *
    FROM unnest($1::timestamptz[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::timestamptz[], $11::text[], $12::bytea[], $13::uuid[], $14::boolean[])
         AS f (received_at, device_id, meter_id, topic, kind, reason, detail, port, protocol, at, hints, data, delivery,
               doubtful)
), claimed AS (
    INSERT INTO delivery_claim (delivery, claimed_at)
    SELECT delivery, min(received_at) FROM incoming GROUP BY delivery ORDER BY delivery
    ON CONFLICT DO NOTHING
    RETURNING delivery
)
INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, detail, port, protocol, at, hints, data, delivery)
SELECT f.received_at, f.device_id, f.meter_id, f.topic, f.kind, f.reason, f.detail, f.port, f.protocol, f.at,
       f.hints::jsonb, f.data, f.delivery
FROM incoming f
LEFT JOIN claimed c ON c.delivery = f.delivery
WHERE NOT f.doubtful OR c.delivery IS NOT NULL
