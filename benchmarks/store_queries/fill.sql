-- Registers with three decimals that rise by 0.1 to 0.9 kW, more by day; the order in which readings arrive: time by time.
INSERT INTO reading (time, value, series_id, source)
SELECT n.time, floor(1000 * (s * 7 + n.hours * (0.2 + (s % 50) / 100.0::float8) + n.wave) + hashint4(n.n # s) % 3) / 1000, s, 0
FROM (
    SELECT g.n::integer AS n, $1::timestamptz + g.n * $2::interval AS time,
           extract(epoch FROM g.n * $2::interval)::float8 / 3600 AS hours,
           0.4 * sin(g.n * extract(epoch FROM $2::interval)::float8 / 13751) AS wave
    FROM generate_series($3::bigint, $4::bigint) g (n)
    OFFSET 0  -- once for each time, not for each reading
) n, generate_series(1, $5::integer) s
