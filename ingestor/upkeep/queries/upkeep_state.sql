SELECT rollup_behind_s, ledger_behind_s, unheld_s, (SELECT coalesce(sum(numbers), 0)::float8 FROM ledger_open) AS missing
FROM upkeep_standing
