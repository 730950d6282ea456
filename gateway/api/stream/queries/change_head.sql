SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS head,
       (SELECT min(xid)::text::bigint FROM change) AS oldest
