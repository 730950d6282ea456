-- In the order of devices, the same for everybody: each ingestor of a group is given each status.
-- A last will can't know the outbox: what was told before stands then.
WITH given AS (
    SELECT *
    FROM unnest($1::integer[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[],
                $6::timestamptz[], $7::bigint[], $8::double precision[], $9::bigint[], $10::double precision[])
         AS s (id, online, status_at, boot, software, outbox_at, waiting, waiting_for_s, unconfirmed, unconfirmed_for_s)
), changed AS (
    SELECT s.*, s.outbox_at IS NOT NULL OR s.online AS told
    FROM device d
    JOIN given s ON s.id = d.id
    WHERE (d.online, d.status_at, d.boot, d.software) IS DISTINCT FROM (s.online, s.status_at, s.boot, s.software)
          OR ((s.outbox_at IS NOT NULL OR s.online) AND d.outbox_at IS DISTINCT FROM s.outbox_at)
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
)
UPDATE device
SET online = s.online, status_at = s.status_at, boot = s.boot, software = s.software,
    outbox_at = CASE WHEN s.told THEN s.outbox_at ELSE device.outbox_at END,
    outbox_waiting = CASE WHEN s.told THEN s.waiting ELSE device.outbox_waiting END,
    outbox_waiting_for_s = CASE WHEN s.told THEN s.waiting_for_s ELSE device.outbox_waiting_for_s END,
    outbox_unconfirmed = CASE WHEN s.told THEN s.unconfirmed ELSE device.outbox_unconfirmed END,
    outbox_unconfirmed_for_s = CASE WHEN s.told THEN s.unconfirmed_for_s ELSE device.outbox_unconfirmed_for_s END
FROM changed s
WHERE device.id = s.id
