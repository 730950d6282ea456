SELECT coalesce(device, 'unknown') AS device, count(*)::double precision AS value
FROM event_log
WHERE received_at > now() - INTERVAL '1 hour'
      AND event IN ('outbox_near_full', 'outbox_thinned', 'outbox_dropped', 'outbox_disk_error')
GROUP BY 1
