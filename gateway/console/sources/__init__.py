"""Pages about third parties' sources: what they send, what it means, and what the bridge proposes."""
