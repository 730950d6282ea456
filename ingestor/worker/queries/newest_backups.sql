-- As old as when its job began: nothing in it is newer, and most of it is not older.
WITH made AS (
    SELECT started_at, coalesce((result ->> 'whole')::boolean, false) AS whole FROM job WHERE kind = 'backup' AND state = 'done'
), planned AS (
    SELECT coalesce(arguments -> 'without', '[]') = '[]' AS whole FROM job_schedule WHERE kind = 'backup' AND enabled
)
SELECT (SELECT date_part('epoch', now() - max(started_at)) FROM made WHERE whole) AS whole_age_s,
       (SELECT date_part('epoch', now() - max(started_at)) FROM made WHERE NOT whole) AS partial_age_s,
       EXISTS (SELECT FROM planned WHERE whole) AS whole_scheduled,
       EXISTS (SELECT FROM planned WHERE NOT whole) AS partial_scheduled
