SELECT pg_advisory_xact_lock(hashtextextended('wattline.meter_keys', 0))
