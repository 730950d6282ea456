SELECT o.power_kw AS "Power", o.import_kwh AS "Import register", o.export_kwh AS "Export register",
       extract(epoch FROM now() - o.last_reading_at)::double precision AS "Age of last reading",
       CASE WHEN o.removed_at IS NOT NULL THEN 2
            WHEN o.meter IN (SELECT meter FROM meter_silence(make_interval(mins => ${silent_min:sqlstring}::integer))) THEN 0
            ELSE 1 END AS "Readings",
       CASE WHEN o.online THEN 1 ELSE 0 END AS "Device"
FROM meter_overview o
WHERE o.meter = ${meter:sqlstring}
