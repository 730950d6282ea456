SELECT meter AS __value, concat_ws(' ', meter, nullif(concat_ws(' ', manufacturer, product), '')) AS __text
FROM meter_overview
WHERE device IN (${device:sqlstring}) AND meter IN (
{volume_meters}
)
UNION ALL
SELECT '(none)', '(none)'
WHERE NOT EXISTS (
    SELECT FROM meter_overview WHERE device IN (${device:sqlstring}) AND meter IN (
{volume_meters}
    )
)
ORDER BY 1
