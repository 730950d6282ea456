SELECT name, document, told_at, more FROM notice_rule WHERE enabled ORDER BY name
