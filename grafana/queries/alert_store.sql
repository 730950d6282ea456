-- Any row will do: this rule fires where none comes.
SELECT 0::double precision AS value
