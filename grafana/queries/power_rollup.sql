-- The coarsest roll-up that still has a value for each point: the planner leaves the other two out.
SELECT bucket, series_id, mean_value FROM rollup_15m WHERE $__interval_ms < 1800000 AND $__timeFilter(bucket)
UNION ALL
SELECT bucket, series_id, mean_value FROM rollup_1h
WHERE $__interval_ms >= 1800000 AND $__interval_ms < 43200000 AND $__timeFilter(bucket)
UNION ALL
SELECT bucket, series_id, mean_value FROM rollup_1d WHERE $__interval_ms >= 43200000 AND $__timeFilter(bucket)
