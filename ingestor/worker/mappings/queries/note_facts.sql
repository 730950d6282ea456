-- What payloads tell of meters of device $1, where it is news; '' tells nothing. A parent is one that is known.
UPDATE meter m
SET manufacturer = coalesce(f.manufacturer, m.manufacturer), product = coalesce(f.product, m.product),
    serial = coalesce(f.serial, m.serial), firmware = coalesce(f.firmware, m.firmware), parent_id = coalesce(f.parent_id, m.parent_id)
FROM (
    SELECT g.key, nullif(g.manufacturer, '') AS manufacturer, nullif(g.product, '') AS product, nullif(g.serial, '') AS serial,
           nullif(g.firmware, '') AS firmware, p.id AS parent_id
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         AS g (key, manufacturer, product, serial, firmware, parent)
    LEFT JOIN meter p ON p.key = g.parent AND p.key <> g.key
) f
WHERE m.key = f.key AND m.device_id = $1
      AND (m.manufacturer, m.product, m.serial, m.firmware, m.parent_id)
          IS DISTINCT FROM (coalesce(f.manufacturer, m.manufacturer), coalesce(f.product, m.product), coalesce(f.serial, m.serial),
                            coalesce(f.firmware, m.firmware), coalesce(f.parent_id, m.parent_id))
