SELECT nullif(folded_until, '-infinity') FROM ledger_state
