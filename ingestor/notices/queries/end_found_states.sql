-- What is over before anything was said of it is forgotten, and so is what nobody is told the end of ($3 false).
WITH present AS (
    SELECT unnest($2::text[]) AS subject
), gone AS (
    DELETE FROM notice_found f
    WHERE f.rule = $1 AND f.lasting AND (f.told_at IS NULL OR NOT $3) AND NOT EXISTS (SELECT FROM present p WHERE p.subject = f.subject)
)
UPDATE notice_found f SET over_at = clock_timestamp()
WHERE f.rule = $1 AND f.lasting AND f.told_at IS NOT NULL AND f.over_at IS NULL AND $3
      AND NOT EXISTS (SELECT FROM present p WHERE p.subject = f.subject)
