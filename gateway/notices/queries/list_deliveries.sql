SELECT id, rule, channel, made_at, state, tries, title, text, event, answer, changed_at
FROM notice_delivery
WHERE ($1::uuid IS NULL OR id = $1) AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR channel = $3)
      AND ($4::timestamptz IS NULL OR (made_at, id) < ($4, $5::uuid))
ORDER BY made_at DESC, id DESC
LIMIT $6
