-- Each is entered once, also where the answer to its commit was lost.
INSERT INTO ingest_batch (at, commit_s, messages, rows, ingestor)
SELECT u.at, u.commit_s, u.messages, u.rows, $5
FROM unnest($1::timestamptz[], $2::double precision[], $3::integer[], $4::integer[]) AS u (at, commit_s, messages, rows)
ON CONFLICT DO NOTHING
