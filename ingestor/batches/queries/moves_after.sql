-- Numbers rise in the order of commits: who moves a meter holds the lock of configuration, which a trigger sees to.
SELECT v.id, m.key FROM meter_move v JOIN meter m ON m.id = v.meter_id WHERE v.id > $1 ORDER BY v.id LIMIT 1000
