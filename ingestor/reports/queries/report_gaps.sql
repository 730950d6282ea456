-- What of each gap lies within the time.
SELECT g.meter_id, count(*) AS gaps, sum(g.missing) AS missing,
       sum(date_part('epoch', least(g.until_at, $2) - greatest(g.from_at, $1))) AS gap_s
FROM meter_gap_between($1, $2) g
GROUP BY g.meter_id
