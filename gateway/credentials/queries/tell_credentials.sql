SELECT pg_notify('wattline_credentials', '')
