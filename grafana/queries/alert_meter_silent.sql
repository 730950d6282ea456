-- A device that is away has a rule of its own.
SELECT o.device, o.meter, extract(epoch FROM now() - o.last_reading_at)::double precision / 60 AS value
FROM meter_overview o
WHERE o.removed_at IS NULL AND o.online AND o.last_reading_at < now() - INTERVAL '1 minute'
