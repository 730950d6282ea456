SELECT device_id, device, version, labels, facts FROM device_label_set
WHERE $1::text IS NULL OR device = $1
ORDER BY device
