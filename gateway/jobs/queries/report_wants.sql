SELECT (SELECT shown FROM notice_channel WHERE name = $1) AS shown,
       $2::text IS NULL OR EXISTS (SELECT FROM parameter_group WHERE name = $2 AND removed_at IS NULL) AS has_group,
       (SELECT given.key FROM unnest($3::text[]) AS given (key) WHERE NOT EXISTS (SELECT FROM meter m WHERE m.key = given.key) LIMIT 1) AS unknown_meter
