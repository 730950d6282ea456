DELETE FROM console_session WHERE sha256 = $1
