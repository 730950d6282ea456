SELECT meter_spoken_of AS meter_id FROM meter_spoken_of($1, $2, $3)
