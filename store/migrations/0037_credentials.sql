-- Who may log in at the broker as which device. What the broker lets in is made to match these rows.
CREATE TABLE credential (
    identity text PRIMARY KEY CHECK (length(identity) BETWEEN 1 AND 80),
    device text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('certificate', 'password')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    granted_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    reason text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX credential_device ON credential (device);

GRANT SELECT, INSERT, UPDATE ON credential TO wattline_gateway;
COMMENT ON TABLE credential IS 'Who may log in at the broker as which device; whoever writes it tells wattline_credentials in the same transaction.';
COMMENT ON COLUMN credential.identity IS 'The user name at the broker: the device id, or device~2, device~3 of later enrolments; a certificate''s CN.';
