SELECT CASE WHEN NOT EXISTS (SELECT FROM meter_overview WHERE device IN (${device:sqlstring}) AND removed_at IS NULL) THEN 'none yet'
            WHEN s.silent > 0 THEN 'some silent' ELSE 'all heard' END AS "Meters",
       s.silent AS "Silent meters",
       (SELECT count(*) FROM unknown_meter WHERE device IN (${device:sqlstring})) AS "Unknown products",
       (SELECT count(*) FROM meter_secret_wanted WHERE device IN (${device:sqlstring})) AS "Wait for a key",
       (SELECT count(*) FROM quarantine
        WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))) AS "Quarantined"
FROM (
    SELECT count(*) AS silent
    FROM (
{silent_meters}
    ) m
) s
