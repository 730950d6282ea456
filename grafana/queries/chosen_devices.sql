SELECT device FROM device_overview WHERE device IN (${device:sqlstring})
