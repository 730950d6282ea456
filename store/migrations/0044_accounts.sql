-- People who log in at the console by a user name and a password, beside tokens.

CREATE TABLE account (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    role          text NOT NULL CHECK (role IN ('viewer', 'engineer', 'admin')),
    password      text NOT NULL,
    author        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz
);
COMMENT ON TABLE account IS 'People who log in by user name and password. No account has the name of a token that lives, so that a name in the audit is one actor''s.';
COMMENT ON COLUMN account.password IS 'scrypt$log2(n)$r$p$salt$hash, the last two in base64.';
COMMENT ON COLUMN account.changed_at IS 'When role or password were set last; sessions of before are over.';
GRANT SELECT, INSERT, UPDATE (role, password, changed_at, last_login_at), DELETE ON account TO wattline_gateway;

ALTER TABLE console_session
    ADD COLUMN account_id integer REFERENCES account (id) ON DELETE CASCADE,
    DROP CONSTRAINT console_session_check,
    ADD CONSTRAINT console_session_check CHECK (num_nonnulls(proof, token_id, account_id) = 1);
