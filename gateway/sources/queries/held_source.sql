-- One at a time changes a source: the versions of its mapping follow one another.
SELECT name, version, secret, master,
       kind = 'mqtt' AND coalesce(jsonb_array_length(settings -> 'topics'), 0) = 0 AS wants_topic
FROM source WHERE name = $1 FOR UPDATE
