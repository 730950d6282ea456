SELECT name, value FROM store_setting
