SELECT EXISTS (SELECT FROM source WHERE name = $1) AS has_source,
       EXISTS (SELECT FROM source s JOIN source_mapping m ON m.source = s.name AND m.version = coalesce($2::integer, s.version)
               WHERE s.name = $1) AS has_mapping,
       EXISTS (SELECT FROM job_file WHERE id = $3 AND complete) AS has_file
