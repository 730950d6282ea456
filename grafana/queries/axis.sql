WITH chart AS (
{chart}
), number AS (
    SELECT n.value::double precision AS value
    FROM chart c
    CROSS JOIN LATERAL jsonb_each(to_jsonb(c) - 'time') n
    WHERE jsonb_typeof(n.value) = 'number'
)
{axis_ends}
