-- A key of a device's login is followed by one other key: who asks by it for another one has a copy of it.
ALTER TABLE certificate ADD COLUMN successor_sha256 bytea;
COMMENT ON COLUMN certificate.successor_sha256 IS 'The key that was asked for by this one; no other one follows it. Null: none was.';
UPDATE certificate c SET successor_sha256 = (
    SELECT n.spki_sha256 FROM certificate n
    WHERE n.identity = c.identity AND n.issued_at > c.issued_at AND n.spki_sha256 <> c.spki_sha256
    ORDER BY n.issued_at LIMIT 1
);
GRANT UPDATE (successor_sha256) ON certificate TO wattline_gateway;
