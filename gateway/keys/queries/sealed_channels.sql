SELECT name, master, sealed FROM notice_channel ORDER BY name FOR NO KEY UPDATE
