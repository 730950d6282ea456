DELETE FROM gateway_waiting WHERE gateway = $1 AND topic = ANY ($2::text[])
