SELECT s.xid::text AS xid, s.id, s.at, s.from_at, s.until_at, s.series
FROM stored_span s
JOIN outlet_cursor c ON c.name = $1 AND (s.xid, s.id) > (c.xid, c.span_id)
WHERE s.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY s.xid, s.id
LIMIT $2
