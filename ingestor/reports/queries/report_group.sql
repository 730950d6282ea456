SELECT selector FROM parameter_group WHERE name = $1 AND removed_at IS NULL
