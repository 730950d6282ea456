-- In the order of devices, the same for everybody: each ingestor of a group is given each status.
WITH given AS (
    SELECT *
    FROM unnest($1::integer[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[])
         AS s (id, online, status_at, boot, software)
), changed AS (
    SELECT s.*
    FROM device d
    JOIN given s ON s.id = d.id
    WHERE (d.online, d.status_at, d.boot, d.software) IS DISTINCT FROM (s.online, s.status_at, s.boot, s.software)
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
)
UPDATE device
SET online = s.online, status_at = s.status_at, boot = s.boot, software = s.software
FROM changed s
WHERE device.id = s.id
