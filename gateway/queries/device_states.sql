SELECT d.id, d.name, t.document::text AS desired, t.version AS desired_version, r.version AS reported_version,
       r.state AS reported_state, l.document::text AS layer, (s.labels || s.facts)::text AS labels,
       (d.registration #> '{software,parameters}')::text AS knows
FROM device d
JOIN device_label_set s ON s.device_id = d.id
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id
LEFT JOIN LATERAL (
    SELECT document FROM parameter_document
    WHERE scope = 'device:' || d.name
    ORDER BY version DESC LIMIT 1
) l ON true
WHERE d.id = ANY($1::int[])
ORDER BY d.id
