SELECT name, device_id, version FROM source WHERE name = $1
