-- One gateway judges at a time; the others need not.
SELECT pg_try_advisory_xact_lock(hashtextextended('wattline.judge', 0))
