SELECT name, registration #> '{software,commands}' AS commands, registration #>> '{software,version}' AS software
FROM device
WHERE name = ANY($1::text[])
