SELECT proof FROM console_session WHERE sha256 = $1 AND proof IS NOT NULL AND expires_at > now()
