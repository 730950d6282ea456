-- Those that have been gone for a day are forgotten meanwhile.
WITH gone AS (
    DELETE FROM ingestor_link WHERE ingestor <> $1 AND greatest(noted_at, caught_up_at) < clock_timestamp() - INTERVAL '1 day'
)
INSERT INTO ingestor_link AS l (ingestor, caught_up_at) VALUES ($1, clock_timestamp() - make_interval(secs => $2))
ON CONFLICT (ingestor) DO UPDATE
SET caught_up_at = greatest(l.caught_up_at, excluded.caught_up_at), noted_at = clock_timestamp()
