"""What TimescaleDB holds: migrations, the pool, and the queries that services share."""
