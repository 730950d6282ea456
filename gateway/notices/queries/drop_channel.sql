DELETE FROM notice_channel WHERE name = $1
