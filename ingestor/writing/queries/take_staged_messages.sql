-- A delivery has its own receive time: only a batch tried again after a commit whose answer was lost is in already.
INSERT INTO message (received_at, newest_at, seq, device_id, meter_id, rows, kind, boot, spec, resent)
SELECT i.received_at, i.newest_at, i.seq, i.device_id, i.meter_id, i.rows, i.kind, i.boot, i.spec, i.resent
FROM incoming_message i
WHERE NOT EXISTS (
    SELECT FROM message m
    WHERE m.received_at BETWEEN $1 AND $2
      AND (m.received_at, m.device_id, m.boot, m.seq) = (i.received_at, i.device_id, i.boot, i.seq)
)
