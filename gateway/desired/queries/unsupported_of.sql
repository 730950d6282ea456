SELECT device_id, parameters FROM parameter_unsupported WHERE device_id = ANY($1::int[])
