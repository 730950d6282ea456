SELECT o.power_kw AS "Power", o.import_kwh AS "Import register", o.export_kwh AS "Export register",
       extract(epoch FROM now() - o.last_reading_at)::double precision AS "Age of last reading",
       CASE WHEN o.online THEN 1 ELSE 0 END AS "Device"
FROM meter_overview o
WHERE o.meter = ${meter:sqlstring}
