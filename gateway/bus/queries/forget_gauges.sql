DELETE FROM gateway_gauge WHERE at < now() - INTERVAL '1 day'
