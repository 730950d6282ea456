SELECT name, (registration #> '{software,commands}')::text AS commands, registration #>> '{software,version}' AS software
FROM device
WHERE name = ANY($1::text[])
