SELECT rollup_behind_s, ledger_behind_s, holder, unheld_s FROM upkeep_standing
