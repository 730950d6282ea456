-- A wait ends after 10 s and begins anew: how long who blocks has been at it says how long it lasts.
SELECT waiting, concat(blocking, ', process ', blocking_pid) AS blocking,
       max(greatest(waited_s, coalesce(silent_s, 0)))::double precision AS value
FROM store_block
GROUP BY 1, 2
