SELECT value FROM installation WHERE name = 'edition_sql'
