-- What a portion must know of its meters: whose they are, what their devices publish, and in which zone they hang.
SELECT m.id, m.key, d.name AS device, t.document #> '{parameters,obis_include}' AS include,
       t.document #> '{parameters,obis_exclude}' AS exclude, coalesce(t.document #>> '{parameters,time_zone}', '') AS zone
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN desired t ON t.device_id = m.device_id
WHERE m.id = ANY ($1::integer[])
