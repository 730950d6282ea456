DELETE FROM notice_found WHERE rule = $1
