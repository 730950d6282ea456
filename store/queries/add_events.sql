INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, boot, seq, detail)
SELECT e.received_at, e.at, e.device_id, e.meter_id, 'device', e.event, e.severity, e.boot, e.seq, e.detail
FROM unnest($1::timestamptz[], $2::timestamptz[], $3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::jsonb[])
     AS e (received_at, at, device_id, meter_id, event, severity, boot, seq, detail)
WHERE NOT EXISTS (
    SELECT FROM event WHERE event.device_id = e.device_id AND event.boot = e.boot AND event.seq = e.seq
)
