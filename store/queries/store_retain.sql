SELECT name, dropped FROM store_retain()
