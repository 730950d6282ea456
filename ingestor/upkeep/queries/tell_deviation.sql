WITH claimed AS (
    INSERT INTO delivery_claim (delivery, claimed_at)
    VALUES (md5(concat_ws(' ', 'profile deviates', $1::integer::text, $2::date::text))::uuid, now())
    ON CONFLICT DO NOTHING
    RETURNING delivery
)
INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
SELECT now(), now(), m.device_id, m.id, 'ingestor', 'profile_deviates', 'warning', $3
FROM meter m, claimed
WHERE m.id = $1
