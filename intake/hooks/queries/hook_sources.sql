SELECT name, settings::text AS settings, secret, master
FROM source
WHERE kind IN ('hook', 'file') AND enabled
