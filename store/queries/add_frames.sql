-- The arrays beside one another are the columns; $14 says which rows may be in already: those are looked up first.
INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, detail, port, protocol, at, hints, data, delivery)
SELECT f.received_at, f.device_id, f.meter_id, f.topic, f.kind, f.reason, f.detail, f.port, f.protocol, f.at,
       f.hints, f.data, f.delivery
FROM unnest($1::timestamptz[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::timestamptz[], $11::jsonb[], $12::bytea[], $13::uuid[], $14::boolean[])
     AS f (received_at, device_id, meter_id, topic, kind, reason, detail, port, protocol, at, hints, data, delivery,
           doubtful)
WHERE NOT f.doubtful OR NOT EXISTS (SELECT FROM frame WHERE frame.delivery = f.delivery)
