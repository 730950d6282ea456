SELECT name, secret, master FROM source WHERE secret IS NOT NULL ORDER BY name FOR UPDATE
