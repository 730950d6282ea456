SELECT (SELECT count(*) FROM device_twin WHERE seen_at > now() - interval '1 hour') AS duplicated,
       (SELECT count(*) FROM meter_spec x LEFT JOIN spec s ON s.name || '@' || s.version = x.spec
        WHERE x.parent_id IS NULL AND (x.spec IS NULL OR s.generic)) AS unknown
