DELETE FROM broker_login WHERE at < now() - INTERVAL '30 days'
