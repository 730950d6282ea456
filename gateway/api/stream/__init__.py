"""Events, and changes as server-sent events."""
