SELECT * FROM software_state WHERE device = $1
