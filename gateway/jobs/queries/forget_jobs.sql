WITH gone AS (DELETE FROM pgqueuer_log WHERE created < now() - $1::interval)
DELETE FROM job WHERE finished_at < now() - $1::interval
