-- One that is older by its updater's own count leaves what is newer: messages come late, repeated, and by several gateways.
-- `since` stays while version and state do: a retained report comes again on each connection, and octets grow while fetching.
INSERT INTO software_reported AS u (device_id, version, state, release, running, reasons, octets, seconds, at, memory, number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (device_id) DO UPDATE
SET version = excluded.version, state = excluded.state, release = excluded.release, running = excluded.running,
    reasons = excluded.reasons, octets = excluded.octets, seconds = excluded.seconds, at = excluded.at, received_at = now(),
    memory = excluded.memory, number = excluded.number,
    since = CASE WHEN (u.version, u.state) = (excluded.version, excluded.state) THEN u.since ELSE now() END
WHERE u.memory <> excluded.memory OR excluded.memory = '' OR u.number <= excluded.number
