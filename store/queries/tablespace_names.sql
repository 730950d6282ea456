SELECT spcname::text FROM pg_tablespace
