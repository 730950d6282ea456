"""How the agent gets its certificate for the broker, and renews it."""
