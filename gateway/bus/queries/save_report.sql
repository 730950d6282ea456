-- A retained report comes again on each connection: what is the same stays untouched.
INSERT INTO reported (device_id, version, state, reasons, effective, specs, boot, at, received_at, in_force, probation, watched,
                      held_back)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (device_id) DO UPDATE
SET version = excluded.version, state = excluded.state, reasons = excluded.reasons, effective = excluded.effective,
    specs = excluded.specs, boot = excluded.boot, at = excluded.at, received_at = excluded.received_at,
    in_force = excluded.in_force, probation = excluded.probation, watched = excluded.watched, held_back = excluded.held_back
WHERE (reported.version, reported.state, reported.reasons, reported.effective, reported.specs, reported.boot, reported.at,
       reported.probation, reported.watched, reported.held_back)
      IS DISTINCT FROM
      (excluded.version, excluded.state, excluded.reasons, excluded.effective, excluded.specs, excluded.boot, excluded.at,
       excluded.probation, excluded.watched, excluded.held_back)
