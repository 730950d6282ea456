-- Those chosen and what is behind them.
SELECT meter FROM meter_overview WHERE meter IN (${meter:sqlstring}) OR parent IN (${meter:sqlstring})
