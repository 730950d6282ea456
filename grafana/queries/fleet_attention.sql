SELECT (SELECT count(*)
        FROM (
{silent_meters}
        ) s) AS "Silent meters",
       (SELECT count(*) FROM unknown_meter WHERE device IN (${device:sqlstring})) AS "Unknown products",
       (SELECT count(*) FROM quarantine
        WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))) AS "Quarantined"
