UPDATE notice_channel SET sealed = $2, master = $3 WHERE name = $1
