"""Topics into TimescaleDB: batches, COPY, acks after commit, quarantine and the ledger of messages."""
