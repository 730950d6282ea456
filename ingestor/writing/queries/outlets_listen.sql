SELECT EXISTS (SELECT FROM outlet_cursor WHERE seen_at > now() - interval '7 days')
