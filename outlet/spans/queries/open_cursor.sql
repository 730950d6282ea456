INSERT INTO outlet_cursor AS c (name, since) VALUES ($1, coalesce($2, now()))
ON CONFLICT (name) DO UPDATE
SET seen_at = now(),
    -- nobody notes anything from a week after it was seen last: then all is given again, which are the same points
    seeded = c.seeded AND c.seen_at >= now() - interval '6 days',
    made_in = CASE WHEN c.seen_at < now() - interval '6 days' THEN pg_current_xact_id() ELSE c.made_in END
