UPDATE outlet_cursor SET xid = $2::text::xid8, span_id = $3, seen_at = now() WHERE name = $1
