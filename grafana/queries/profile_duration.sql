WITH quarter AS MATERIALIZED (
{quarter_hours}
)
SELECT share || ' %' AS "Share of time",
       (SELECT percentile_disc(1 - share / 100.0) WITHIN GROUP (ORDER BY power_kw) FROM quarter)::double precision AS "Power"
FROM generate_series(0, 100, 2) AS share
WHERE EXISTS (SELECT FROM quarter)
ORDER BY share
