"""What operators are told of sources: events in the store, a few an hour."""
