SELECT installed_at AS "time", concat(meter, ' installed') AS text, 'meter' AS tags
FROM meter_overview
WHERE $__timeFilter(installed_at) AND device IN (
{marked}
)
UNION ALL
SELECT removed_at, concat(meter, ' removed'), 'meter'
FROM meter_overview
WHERE $__timeFilter(removed_at) AND device IN (
{marked}
)
