SELECT boot, first_at, last_at, last_registered_at, hardware_serial, hardware_model, software
FROM device_boot WHERE device_id = $1
ORDER BY last_registered_at DESC
