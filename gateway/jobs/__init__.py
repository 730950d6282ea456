"""Background jobs as the gateway sees them: queued, cancelled, cleared away."""
