-- A state that is there again before its end was told has not ended.
INSERT INTO notice_found AS f (rule, subject, device, meter, severity, since, value, detail, lasting)
SELECT $1, subject, device, meter, severity, since, value, detail, true
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::float8[], $8::text[])
     AS g (subject, device, meter, severity, since, value, detail)
ON CONFLICT (rule, subject) DO UPDATE SET over_at = NULL, value = EXCLUDED.value, detail = EXCLUDED.detail
WHERE (f.over_at, f.value, f.detail) IS DISTINCT FROM (NULL, EXCLUDED.value, EXCLUDED.detail)
