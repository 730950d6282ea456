SELECT device FROM meter_overview WHERE meter = ${meter:sqlstring}
