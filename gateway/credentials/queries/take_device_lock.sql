SELECT pg_advisory_xact_lock(hashtextextended('wattline.enrolment.' || $1, 0))
