SELECT received_at AS "Received", device AS "Device", meter AS "Meter", kind AS "Kind", reason AS "Reason",
       detail AS "Detail", bytes AS "Bytes"
FROM quarantine
WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))
ORDER BY received_at DESC
LIMIT 100
