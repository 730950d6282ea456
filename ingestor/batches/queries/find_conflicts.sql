-- What was staged and is not what the table holds at its time. Not between a load profile and the register itself, which round each in their
-- own way, and not with what was decoded again: a newer spec may read otherwise, and the first reading counts.
SELECT i.time AS at, m.key AS meter, m.id AS meter_id, s.obis, s.unit, i.value, k.value AS kept
FROM incoming_reading i
CROSS JOIN LATERAL (
    SELECT r.value, r.source FROM reading r
    WHERE r.series_id = i.series_id AND r.time = i.time AND r.time BETWEEN $1 AND $2
    LIMIT 1
) k
JOIN reading_source a ON a.id = i.source
JOIN reading_source b ON b.id = k.source
JOIN series s ON s.id = i.series_id
JOIN meter m ON m.id = s.meter_id
WHERE k.value <> i.value AND (a.source = 'profile') = (b.source = 'profile') AND 'redecoded' NOT IN (a.source, b.source)
