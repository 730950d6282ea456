SELECT gateway, value FROM gateway_gauge_overview WHERE gauge = 'credentials_unmatched'
