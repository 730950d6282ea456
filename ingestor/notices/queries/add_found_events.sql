-- $9 of a rule at most; those beyond are counted.
WITH room AS (
    SELECT greatest($9 - count(*), 0) AS places FROM notice_found WHERE rule = $1 AND NOT lasting
), given AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::float8[], $8::text[])
        WITH ORDINALITY AS g (subject, device, meter, severity, since, value, detail, place)
), entered AS (
    INSERT INTO notice_found (rule, subject, device, meter, severity, since, value, detail, lasting)
    SELECT $1, subject, device, meter, severity, since, value, detail, false FROM given, room WHERE place <= places
    ON CONFLICT (rule, subject) DO NOTHING
)
UPDATE notice_rule SET more = more + (SELECT count(*) FROM given, room WHERE place > places)
WHERE name = $1 AND (SELECT count(*) FROM given, room WHERE place > places) > 0
