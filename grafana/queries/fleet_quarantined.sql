SELECT count(*) AS "Quarantined"
FROM quarantine
WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN ($device))
