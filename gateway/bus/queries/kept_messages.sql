-- a mark of another time is that of a message before, which a gateway of before has left there
SELECT topic, payload, kept_at, CASE WHEN marked_at = kept_at THEN dealt_at END AS dealt_at
FROM gateway_waiting WHERE gateway = $1 ORDER BY kept_at, topic
