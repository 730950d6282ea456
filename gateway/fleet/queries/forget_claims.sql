DELETE FROM meter_claim WHERE NOT shown AND refused_at IS NULL AND seen_at < now() - INTERVAL '30 days'
