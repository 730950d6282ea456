SELECT name || '@' || version AS ref FROM spec_deprecation
