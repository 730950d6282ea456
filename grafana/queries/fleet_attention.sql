SELECT count(*) FILTER (WHERE o.last_reading_at IS NULL OR o.last_reading_at < now() - INTERVAL '15 minutes') AS "Silent meters",
       (SELECT count(*) FROM unknown_meter WHERE device IN (${device:sqlstring})) AS "Unknown products",
       (SELECT count(*) FROM quarantine
        WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))) AS "Quarantined"
FROM meter_overview o
WHERE o.meter IN (${meter:sqlstring}) AND o.removed_at IS NULL AND o.parent IS NULL
