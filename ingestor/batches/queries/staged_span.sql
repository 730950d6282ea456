SELECT min(time) AS since, max(time) AS until FROM incoming_reading
