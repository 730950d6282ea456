-- One at a time changes a source: the versions of its mapping follow one another.
SELECT name, version, secret, master FROM source WHERE name = $1 FOR UPDATE
