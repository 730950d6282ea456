-- Those of these that wait still, and that no other worker holds.
SELECT id FROM payload WHERE id = ANY ($1::bigint[]) AND state = 'waiting' ORDER BY id FOR UPDATE SKIP LOCKED
