SELECT time AS bucket, obis, unit, value AS mean_value
FROM named_reading
WHERE $__interval_ms < 900000 AND $__timeFilter(time) AND meter = ${meter:sqlstring}
UNION ALL
SELECT r.bucket, n.obis, n.unit, r.mean_value
FROM rollup_15m r JOIN series_name n ON n.series_id = r.series_id
WHERE $__interval_ms >= 900000 AND $__interval_ms < 3600000 AND $__timeFilter(r.bucket) AND n.meter = ${meter:sqlstring}
UNION ALL
SELECT r.bucket, n.obis, n.unit, r.mean_value
FROM rollup_1h r JOIN series_name n ON n.series_id = r.series_id
WHERE $__interval_ms >= 3600000 AND $__timeFilter(r.bucket) AND n.meter = ${meter:sqlstring}
