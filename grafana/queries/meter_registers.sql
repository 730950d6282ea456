SELECT obis AS "OBIS", value AS "Value", unit AS "Unit", kind AS "Kind", time AS "Time", source AS "Source", clock AS "Clock"
FROM latest_reading
WHERE meter = ${meter:sqlstring}
ORDER BY kind = 'register' DESC, obis
