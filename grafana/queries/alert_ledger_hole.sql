SELECT device, numbers::double precision AS value FROM ledger_open
