SELECT * FROM software_state
WHERE device > $1 AND ($2::int[] IS NULL OR device_id = ANY($2::int[])) AND ($3::text IS NULL OR running = $3)
      AND ($4::text IS NULL OR desired = $4) AND ($5::text IS NULL OR standing = $5)
ORDER BY device
LIMIT $6
