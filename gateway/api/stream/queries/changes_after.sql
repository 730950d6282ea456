SELECT xid::text::bigint AS xid, id, at, kind, device, detail
FROM change
WHERE (xid, id) > ($1::bigint::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id
LIMIT $3
