-- Unfinished jobs of which the queue knows nothing: a worker that had lost one ended its entry.
SELECT j.id, j.kind, j.priority, j.not_before - now() AS delay FROM job j
WHERE j.state IN ('queued', 'running') AND j.changed_at < now() - INTERVAL '30 seconds'
  AND NOT EXISTS (SELECT FROM pgqueuer q WHERE q.dedupe_key = 'job ' || j.id AND q.status IN ('queued', 'picked'))
ORDER BY j.priority DESC, j.id
LIMIT 100
