DELETE FROM gateway_waiting WHERE kept_at < now() - make_interval(secs => $1)
