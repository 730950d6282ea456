SELECT ledger_note($1)
