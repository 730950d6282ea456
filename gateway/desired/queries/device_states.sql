SELECT d.id, d.name, t.document AS desired, r.version AS reported_version,
       r.state AS reported_state, l.document AS layer, s.labels || s.facts AS labels,
       d.registration #> '{software,parameters}' AS knows,
       w.document AS software, w.version AS software_version, u.version AS software_reported
FROM device d
JOIN device_label_set s ON s.device_id = d.id
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id
LEFT JOIN software_desired w ON w.device_id = d.id
LEFT JOIN software_reported u ON u.device_id = d.id
LEFT JOIN LATERAL (
    SELECT document FROM parameter_document
    WHERE scope = 'device:' || d.name
    ORDER BY version DESC LIMIT 1
) l ON true
-- a third party's source is no device that could be given anything
WHERE d.id = ANY($1::int[]) AND NOT EXISTS (SELECT FROM source o WHERE o.device_id = d.id)
ORDER BY d.id
