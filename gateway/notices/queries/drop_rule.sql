DELETE FROM notice_rule WHERE name = $1
