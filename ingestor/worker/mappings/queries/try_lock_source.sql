-- Whether this session is the only one now that maps source $1; a session that ends lets go of it.
SELECT pg_try_advisory_lock(hashtextextended('wattline.mapping.' || $1, 0))
