-- With $4 in seconds, only what was overtaken less long ago.
SELECT EXISTS (
    SELECT FROM desired_history h
    WHERE h.device_id = $1 AND h.version = $2 AND h.hash = $3
          AND ($4::float8 IS NULL OR EXISTS (
              SELECT FROM desired t
              WHERE t.device_id = $1 AND t.version > $2 AND t.published_at > now() - make_interval(secs => $4::float8))))
