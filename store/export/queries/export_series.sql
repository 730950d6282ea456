SELECT series_id, device, meter, obis, unit
FROM series_name
WHERE ($1::text[] IS NULL OR device = ANY ($1)) AND ($2::text[] IS NULL OR meter = ANY ($2))
  AND ($3::text[] IS NULL OR obis = ANY ($3)) AND (NOT $4 OR kind = 'register')
