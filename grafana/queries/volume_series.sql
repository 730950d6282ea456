-- What a gas, water or heat meter counts now; storage of past days and months (codes with *) counts nothing.
SELECT series_id, obis, unit, concat(unit, ' ', obis) AS name
FROM series_name
WHERE meter = ${meter:sqlstring} AND kind = 'register' AND unit IN ('m³', 'GJ') AND obis NOT LIKE '%*%'
