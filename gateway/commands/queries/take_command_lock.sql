-- One at a time, also between two gateways: the bounds are counted and then used up.
SELECT pg_advisory_xact_lock(hashtextextended('wattline.command', 0))
