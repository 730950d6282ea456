-- DO UPDATE, as DO NOTHING gives no row for a device that the ingestor enters at this very moment.
WITH found AS (
    SELECT id FROM device WHERE name = $1
), added AS (
    INSERT INTO device (name) SELECT $1 WHERE NOT EXISTS (SELECT FROM found)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name
    RETURNING id
)
SELECT id FROM found UNION ALL SELECT id FROM added
