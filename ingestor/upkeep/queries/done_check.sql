DELETE FROM profile_check WHERE meter_id = $1 AND day = $2 AND noted_at = $3
