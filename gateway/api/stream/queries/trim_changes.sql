DELETE FROM change WHERE at < now() - INTERVAL '1 hour' OR id < (SELECT max(id) FROM change) - 100000
