-- One worker at a time finds and tells; until the end of the transaction.
SELECT pg_try_advisory_xact_lock(hashtext('wattline notices'))
