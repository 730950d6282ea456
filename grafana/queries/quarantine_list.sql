SELECT q.received_at AS "Received", q.device AS "Device", q.meter AS "Meter", q.kind AS "Kind",
       CASE WHEN q.reason IS NOT NULL THEN q.reason WHEN EXISTS (SELECT FROM ledger_age WHERE newest_at IS NOT NULL)
            THEN 'nothing in this range' ELSE 'no message yet' END AS "Reason",
       q.detail AS "Detail", q.bytes AS "Bytes",
       CASE WHEN q.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT received_at, device, meter, kind, reason, detail, bytes
    FROM quarantine
    WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))
    ORDER BY received_at DESC
    LIMIT 100
) q ON true
ORDER BY q.received_at DESC
