SELECT EXISTS (
    SELECT FROM reported r JOIN device d ON d.id = r.device_id
    WHERE d.name = $1 AND r.version = $2 AND r.state = $3 AND r.boot = $4 AND r.at = $5 AND r.specs = $6
          AND (r.probation, r.watched, r.held_back) IS NOT DISTINCT FROM ($7::boolean, $8::text[], $9::text[]))
