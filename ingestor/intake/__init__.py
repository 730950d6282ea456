"""From the broker to the writer and back: one batch fills while others are written; acks and receipts."""
