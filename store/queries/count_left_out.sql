SELECT count(*) FROM event WHERE event = 'readings_left_out' AND received_at >= $1
