INSERT INTO software_history (device_id, version, state, release, running, reasons, octets, seconds, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
