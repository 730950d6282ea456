-- device.last_seen_at is brought up to date about twice a minute; what came since stands in the ledger.
SELECT v.device, v.online, v.revoked, v.first_seen_at, greatest(v.last_seen_at, (
           SELECT max(m.received_at) FROM message m WHERE m.device_id = v.device_id AND m.received_at > now() - INTERVAL '2 minutes'
       )) AS last_seen_at, v.registered_at, v.software, v.meters AS meter_count, v.desired_version,
       v.reported_version, v.reported_state, d.registration, t.document AS desired,
       r.reasons, r.effective, r.specs, r.at, r.received_at, r.in_force, r.probation,
       r.watched, r.held_back, config_standing(v.desired_version, r.version, r.state, r.probation, r.watched) AS config_state,
       coalesce((SELECT s.meters FROM silent_meters(ARRAY[v.device_id]) s), '{}') AS silent,
       coalesce(l.labels, '{}') AS labels,
       w.told_at, w.waiting, w.waiting_for_s, w.unconfirmed, w.unconfirmed_for_s
FROM device_overview v
JOIN device d ON d.id = v.device_id
LEFT JOIN desired t ON t.device_id = v.device_id
LEFT JOIN reported r ON r.device_id = v.device_id
LEFT JOIN device_labels l ON l.device_id = v.device_id
LEFT JOIN outbox_overview w ON w.device = v.device
WHERE v.device = $1
