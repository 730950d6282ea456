SELECT max(power_kw)::double precision AS "Peak",
       percentile_disc(0.05) WITHIN GROUP (ORDER BY power_kw)::double precision AS "Base load",
       avg(power_kw)::double precision AS "Mean",
       (avg(power_kw) / nullif(max(power_kw), 0))::double precision AS "Load factor",
       (sum(power_kw) / 4)::double precision AS "Energy", count(*) AS "Quarter-hours"
FROM (
{quarter_hours}
) q
