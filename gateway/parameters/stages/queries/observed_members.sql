SELECT m.device_id AS id, d.name, m.step, m.version, m.software, m.reads, m.state, m.why, m.given_at, m.applied_at,
       coalesce(d.online, false) AS online, r.version AS reported_version, r.state AS reported_state,
       r.reasons, r.received_at AS reported_at,
       coalesce(r.probation, false) AS probation, r.in_force, r.held_back,
       (t.document #>> '{parameters,reading_interval_s}')::float8
           + (t.document #>> '{parameters,publish_interval_s}')::float8 AS interval_s,
       (SELECT e.event FROM event e
        WHERE e.device_id = m.device_id AND e.received_at > m.given_at AND e.event = ANY($2::text[]) LIMIT 1) AS trouble,
       u.version AS software_version, u.state AS software_state, u.since AS software_since, u.reasons AS software_reasons,
       (w.document ->> 'probation_s')::float8 AS software_probation_s
FROM parameter_stage_device m
JOIN device d ON d.id = m.device_id
LEFT JOIN desired t ON t.device_id = m.device_id
LEFT JOIN reported r ON r.device_id = m.device_id
LEFT JOIN software_reported u ON u.device_id = m.device_id
LEFT JOIN software_desired w ON w.device_id = m.device_id
WHERE m.stage_id = $1
ORDER BY d.name
