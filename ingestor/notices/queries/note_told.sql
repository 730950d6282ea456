-- All of one phase was told: events are done with, and so are states that are over.
WITH told AS (
    UPDATE notice_rule SET told_at = now(), more = 0 WHERE name = $1
), done AS (
    DELETE FROM notice_found
    WHERE rule = $1 AND CASE $2 WHEN 'over' THEN over_at IS NOT NULL WHEN 'begun' THEN NOT lasting AND told_at IS NULL ELSE false END
)
UPDATE notice_found SET told_at = now()
WHERE rule = $1 AND lasting AND over_at IS NULL
      AND CASE $2 WHEN 'begun' THEN told_at IS NULL WHEN 'still' THEN told_at < now() - $3::interval ELSE false END
