SELECT pg_advisory_unlock(hashtextextended('wattline.mapping.' || $1, 0))
