SELECT r.name, r.document, r.author, r.created_at, r.changed_at, r.told_at, r.more, coalesce(f.found, 0) AS found
FROM notice_rule r
LEFT JOIN (SELECT rule, count(*) AS found FROM notice_found GROUP BY rule) f ON f.rule = r.name
WHERE $1::text IS NULL OR r.name = $1
ORDER BY r.name
