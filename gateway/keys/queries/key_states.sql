-- What may be told of keys, of meter $1 or of all, and how each stands with the device at whose port its meter is.
SELECT m.key AS meter, d.name AS device, k.kinds, k.fingerprint, k.set_by, k.set_at,
       CASE WHEN m.device_id IS NULL OR m.removed_at IS NOT NULL OR NOT meter_key_may(m.id, m.device_id, k.device_id) THEN 'withheld'
            WHEN v.payload IS NULL AND v.announced = v.version THEN 'no_certificate'
            WHEN m.key <> ALL (v.meters) AND cardinality(v.meters) >= 256 AND v.sealed_at >= k.set_at
                 AND m.id > (SELECT max(g.id) FROM meter g WHERE g.key = ANY (v.meters)) THEN 'too_many'
            WHEN m.key <> ALL (v.meters) AND v.announced = v.version AND v.sealed_at >= k.set_at THEN 'not_opened'
            WHEN m.key = ANY (v.meters) AND v.announced = v.version AND v.sealed_at >= k.set_at THEN 'given'
            ELSE 'waiting' END AS state
FROM meter_key k
JOIN meter m ON m.id = k.meter_id
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN key_delivery v ON v.device_id = m.device_id
WHERE m.key = $1 OR $1::text IS NULL
ORDER BY m.key
