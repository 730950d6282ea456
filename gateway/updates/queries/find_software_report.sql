SELECT u.version, u.state, u.release, u.running, u.at, u.reasons
FROM software_reported u JOIN device d ON d.id = u.device_id WHERE d.name = $1
