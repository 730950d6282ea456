UPDATE meter_key SET sealed = $2, master = $3, fingerprint = $4 WHERE meter_id = $1
