SELECT device AS "Device", meter AS "Meter", from_at AS "From", until_at AS "Until", missing AS "Missing", total AS "Whole gap",
       cadence_s AS "Every", open::integer AS "Open"
FROM meter_gap_between($__timeFrom(), $__timeTo())
WHERE device IN (${device:sqlstring})
ORDER BY missing DESC
LIMIT 100
