-- A device that is away has a kind of its own.
SELECT meter AS subject, device, meter, coalesce(heard_at, now() - make_interval(secs => coalesce(silent_s, 0))) AS since,
       silent_s AS value, '' AS detail
FROM meter_silence($1::interval)
WHERE online
