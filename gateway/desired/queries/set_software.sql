-- At the last version of all what is new has that version, too, and is published all the same.
INSERT INTO software_desired (device_id, version, document, author)
VALUES ($1, $2, $3, $4)
ON CONFLICT (device_id) DO UPDATE
SET version = excluded.version, document = excluded.document, author = excluded.author, published_at = now(),
    announced = CASE WHEN software_desired.version < excluded.version THEN software_desired.announced END
