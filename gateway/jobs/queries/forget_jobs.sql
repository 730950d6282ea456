-- $2 kinds, each kept for $3; all others for $1.
WITH gone AS (DELETE FROM pgqueuer_log WHERE created < now() - $1::interval)
DELETE FROM job
WHERE finished_at < now() - coalesce((SELECT k.kept FROM unnest($2::text[], $3::interval[]) AS k (kind, kept) WHERE k.kind = job.kind), $1)
