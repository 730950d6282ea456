-- Registers with three decimals that rise by 0.1 to 0.9 kW, more by day; the order in which readings arrive: time by time.
INSERT INTO reading (time, value, series_id, source)
SELECT $1::timestamptz + n * $2::interval,
       floor(1000 * (s * 7 + extract(epoch FROM n * $2::interval)::float8 / 3600 * (0.2 + (s % 50) / 100.0)
                     + 0.4 * sin(n * extract(epoch FROM $2::interval)::float8 / 13751)) + hashint4(n::integer # s) % 3) / 1000,
       s, 0
FROM generate_series($3::bigint, $4::bigint) n, generate_series(1, $5::integer) s
