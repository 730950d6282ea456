-- Gas, water and heat: meters that count cubic metres or gigajoules and no electricity.
SELECT meter
FROM series_name
GROUP BY meter
HAVING bool_or(kind = 'register' AND unit IN ('m³', 'GJ')) AND NOT bool_or(unit IN ('kW', 'V', 'A') OR obis LIKE '1-0:_.8._')
