-- Sessions that are over leave here, so that their number stays that of the people.
WITH over AS (DELETE FROM console_session WHERE expires_at < now())
INSERT INTO console_session (sha256, token_id, account_id, proof, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(hours => $5))
