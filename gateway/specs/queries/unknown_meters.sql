SELECT meter_id, meter, device, protocol, manufacturer, product, serial, facts, spec, installed_at, frames,
       first_frame_at, last_frame_at
FROM unknown_meter
ORDER BY meter
LIMIT $1
