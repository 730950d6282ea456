UPDATE outlet_cursor SET seen_at = now() WHERE name = $1 AND seen_at < now() - interval '1 minute'
