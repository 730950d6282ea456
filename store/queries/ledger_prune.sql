SELECT ledger_prune()
