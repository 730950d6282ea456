SELECT pg_advisory_xact_lock(hashtextextended('wattline.broker.logins', 0))
