-- One writer of configuration at a time, also between two gateways: versions must rise one by one.
SELECT pg_advisory_xact_lock(hashtextextended('wattline.config', 0))
