SELECT max(value) AS value FROM gateway_gauge_overview WHERE gauge = 'enrolments_waiting' HAVING count(*) > 0
