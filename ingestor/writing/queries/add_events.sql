-- Only those that nobody has claimed, details as JSON; in the order of the claims, the same for everybody, so that two
-- writers can't wait for each other. An entry of a meter's event log that is older than events are kept is left out: its
-- claim may be forgotten by now.
WITH given AS (
    SELECT *, CASE WHEN event = 'meter_event' AND meter_id IS NOT NULL THEN meter_event_delivery(meter_id, detail::jsonb)
                   ELSE event_delivery(device_id, boot, seq) END AS delivery
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[],
                $8::bigint[], $9::text[])
         AS e (received_at, at, device_id, meter_id, event, severity, boot, seq, detail)
), incoming AS (
    SELECT DISTINCT ON (delivery) * FROM given
    WHERE event <> 'meter_event' OR store_keep('events') IS NULL OR at > now() - store_keep('events')
    ORDER BY delivery, received_at
), claimed AS (
    INSERT INTO delivery_claim (delivery, claimed_at)
    SELECT delivery, received_at FROM incoming ORDER BY delivery
    ON CONFLICT DO NOTHING
    RETURNING delivery
)
INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, boot, seq, detail)
SELECT e.received_at, e.at, e.device_id, e.meter_id, 'device', e.event, e.severity, e.boot, e.seq, e.detail::jsonb
FROM incoming e
JOIN claimed c ON c.delivery = e.delivery
