UPDATE device
SET online = s.online, status_at = s.status_at, boot = s.boot, software = s.software
FROM unnest($1::integer[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[])
     AS s (id, online, status_at, boot, software)
WHERE device.id = s.id
  AND (device.online, device.status_at, device.boot, device.software)
      IS DISTINCT FROM (s.online, s.status_at, s.boot, s.software)
