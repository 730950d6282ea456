SELECT m.key AS meter, k.master, k.sealed
FROM meter_key k
JOIN meter m ON m.id = k.meter_id
WHERE k.meter_id = ANY ($1) AND 'encryption' = ANY (k.kinds)
