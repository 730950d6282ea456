"""Between the store and the broker: what is published, what arrives, and what is put right."""
