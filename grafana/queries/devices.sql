SELECT device FROM device_overview
UNION ALL SELECT '(none)' WHERE NOT EXISTS (SELECT FROM device_overview)
ORDER BY 1
