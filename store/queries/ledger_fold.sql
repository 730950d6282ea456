SELECT behind, deliveries FROM ledger_fold($1)
