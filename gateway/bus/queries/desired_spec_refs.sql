SELECT DISTINCT m.value ->> 'spec' AS ref
FROM desired t, jsonb_each(t.document -> 'meters') AS m
WHERE m.value ->> 'spec' IS NOT NULL
