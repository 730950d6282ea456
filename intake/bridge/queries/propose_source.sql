INSERT INTO source_proposal AS p (broker, key, origin, name, topics, document, detail)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM source_proposal) < $8
   OR EXISTS (SELECT FROM source_proposal WHERE broker = $1 AND key = $2)
ON CONFLICT (broker, key) DO UPDATE
SET name = EXCLUDED.name, topics = EXCLUDED.topics, document = EXCLUDED.document, detail = EXCLUDED.detail,
    last_at = now()
WHERE p.state = 'open'
