-- A meter has left its port when another one is seen there; one that is merely silent has not. Meters behind it leave
-- with it, and so does one whose channel another meter has taken.
WITH RECURSIVE gone AS (
    SELECT m.id FROM meter m
    WHERE m.device_id = $1 AND m.removed_at IS NULL AND m.key <> ALL($2::text[])
      AND ((m.parent_id IS NULL AND m.port = ANY($3::text[]))
           OR EXISTS (
               SELECT FROM meter s
               WHERE s.key = ANY($2::text[]) AND s.parent_id = m.parent_id
                 AND s.facts ->> 'channel' = m.facts ->> 'channel'))
    UNION
    SELECT c.id FROM meter c JOIN gone ON c.parent_id = gone.id
    WHERE c.device_id = $1 AND c.removed_at IS NULL AND c.key <> ALL($2::text[])
)
UPDATE meter SET removed_at = $4 FROM gone WHERE meter.id = gone.id RETURNING meter.key
