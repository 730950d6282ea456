SELECT meter AS __value, concat_ws(' ', meter, nullif(concat_ws(' ', manufacturer, product), '')) AS __text
FROM meter_overview
WHERE device IN (${device:sqlstring})
UNION ALL
SELECT '(none)', '(none)'
WHERE NOT EXISTS (SELECT FROM meter_overview WHERE device IN (${device:sqlstring}))
ORDER BY 1
