WITH grown AS (
    UPDATE job_file SET bytes = bytes + octet_length($3::bytea) WHERE id = $1 AND NOT complete RETURNING id, bytes
), added AS (
    INSERT INTO job_file_part (file_id, part, data) SELECT id, $2, $3 FROM grown
)
SELECT g.bytes, (g.bytes + coalesce((SELECT sum(f.bytes) FROM job_file f WHERE f.id <> $1), 0))::bigint AS every FROM grown g
