SELECT $__timeGroup(at, $__interval) AS "time", avg(commit_s) AS "Mean", max(commit_s) AS "Longest"
FROM batch_log
WHERE $__timeFilter(at)
GROUP BY 1
ORDER BY 1
