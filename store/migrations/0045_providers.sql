-- People who log in by a provider of OpenID Connect: known by its subject, and without a password of ours.

ALTER TABLE account
    ALTER COLUMN password DROP NOT NULL,
    ADD COLUMN issuer text,
    ADD COLUMN subject text,
    ADD CONSTRAINT account_one_login CHECK (num_nonnulls(password, issuer) = 1 AND (issuer IS NULL) = (subject IS NULL)),
    ADD CONSTRAINT account_subject UNIQUE (issuer, subject);
COMMENT ON COLUMN account.issuer IS 'The provider by whose word somebody logs in; NULL where it is a password.';
COMMENT ON COLUMN account.subject IS 'Whom the provider means (sub), whatever name it gives them; the role is what it said at the last login.';
