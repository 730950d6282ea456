UPDATE claim SET used = used + 1 WHERE name = $1
