SELECT name, shown, master, sealed FROM notice_channel WHERE name = $1
