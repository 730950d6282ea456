SELECT meter AS subject, device, meter, coalesce(installed_at, first_frame_at, now()) AS since, frames::float8 AS value,
       concat_ws(' ', protocol, manufacturer, product) AS detail
FROM unknown_meter
WHERE coalesce(installed_at, first_frame_at, now()) <= now() - $1::interval
