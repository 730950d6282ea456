-- A retained payload comes again on each connection, and to each gateway: it is entered once in a week.
WITH claimed AS (
    INSERT INTO delivery_claim AS c (delivery, claimed_at) VALUES ($6, now())
    ON CONFLICT (delivery) DO UPDATE SET claimed_at = now() WHERE c.claimed_at < now() - INTERVAL '7 days'
    RETURNING delivery
)
INSERT INTO frame (received_at, device_id, topic, kind, reason, detail, data, delivery)
SELECT now(), (SELECT id FROM device WHERE name = $1), $2, 'payload', $3, $4, $5, delivery
FROM claimed
RETURNING id
