SELECT count(*) FROM notice_rule WHERE $1::text IS NULL OR channel = $1
