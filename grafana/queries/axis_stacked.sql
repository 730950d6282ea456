-- What stands on top of one another counts as one; export and what earns lie below the line.
WITH chart AS (
{chart}
), number AS (
    SELECT sum(CASE WHEN below THEN -abs(value) ELSE value END) AS value
    FROM (
        SELECT "time", value, value < 0 OR metric = 'export' AS below FROM chart
    ) c
    GROUP BY "time", below
)
{axis_ends}
