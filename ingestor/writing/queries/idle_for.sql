SELECT greatest(0, extract(epoch FROM now() - max(at)))::double precision AS idle_s FROM ingest_batch
