SELECT device_id, max(received_at) AS received_at
FROM message
WHERE device_id = ANY($1::int[]) AND rows > 0 AND kind = (SELECT id FROM message_kind WHERE kind = 'readings')
      AND received_at > coalesce($3::timestamptz, now() - make_interval(secs => $2::float8))
GROUP BY device_id
