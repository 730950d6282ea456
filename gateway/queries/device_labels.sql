SELECT device_id, device, version, labels::text AS labels, facts::text AS facts FROM device_label_set
WHERE $1::text IS NULL OR device = $1
ORDER BY device
