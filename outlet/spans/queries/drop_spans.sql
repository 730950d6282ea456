DELETE FROM stored_span s
USING (SELECT xid, span_id FROM outlet_cursor WHERE seen_at > now() - interval '6 days' ORDER BY xid, span_id LIMIT 1) c
WHERE (s.xid, s.id) <= (c.xid, c.span_id)
