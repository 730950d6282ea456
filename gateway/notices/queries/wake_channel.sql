UPDATE notice_channel SET not_before = NULL WHERE name = (SELECT channel FROM notice_delivery WHERE id = $1)
