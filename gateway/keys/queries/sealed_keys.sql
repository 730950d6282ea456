SELECT k.meter_id, m.key AS meter, k.master, k.sealed
FROM meter_key k
JOIN meter m ON m.id = k.meter_id
WHERE $1::integer[] IS NULL OR k.meter_id = ANY ($1)
ORDER BY k.meter_id
FOR NO KEY UPDATE OF k
