SELECT point_id AS id, point AS name, device, port, channel, slot, meter, since, previous_meter, swapped_at
FROM point_overview WHERE point_id = $1
