SELECT coalesce(sum(lost), 0)::bigint AS "Lost", coalesce(sum(healed), 0)::bigint AS "Healed",
       coalesce((SELECT sum(unconfirmed) FROM outbox_overview WHERE device IN (${device:sqlstring})), 0)::bigint AS "Waiting for receipt",
       coalesce(sum(repeated), 0)::bigint AS "Repeated",
       coalesce(sum(late), 0)::bigint AS "Late", coalesce(sum(messages), 0)::bigint AS "Messages",
       (SELECT count(*) FROM quarantine
        WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))) AS "Quarantined"
FROM ledger_quality_between($__timeFrom(), $__timeTo())
WHERE device IN (${device:sqlstring})
