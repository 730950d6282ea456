-- Events have no number of their own: a page goes on at the time of the last one, behind those of this time already shown.
SELECT received_at, at, device, meter, source, event, severity, detail
FROM event_log
WHERE ($1::text IS NULL OR device = $1) AND ($2::text IS NULL OR event = $2) AND ($3::text IS NULL OR severity = $3)
      AND received_at <= $4
ORDER BY received_at DESC, device, source, seq, event, detail
OFFSET $5
LIMIT $6
