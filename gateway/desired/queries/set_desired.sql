WITH past AS (
    INSERT INTO desired_history (device_id, version, hash, document, author, published_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (device_id, version) DO NOTHING
)
INSERT INTO desired (device_id, version, hash, document, author, published_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (device_id) DO UPDATE
SET version = excluded.version, hash = excluded.hash, document = excluded.document, author = excluded.author,
    published_at = excluded.published_at
