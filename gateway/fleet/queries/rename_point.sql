WITH before AS (SELECT id, name, device_id FROM point WHERE id = $1),
renamed AS (
    UPDATE point SET name = $2 FROM before WHERE point.id = before.id AND point.name <> $2
    RETURNING point.id, before.name AS old, before.device_id
)
INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
SELECT now(), now(), device_id, 'gateway', 'point_renamed', 'info',
       jsonb_build_object('point', $2, 'old', old, 'id', id, 'author', $3::text)
FROM renamed
