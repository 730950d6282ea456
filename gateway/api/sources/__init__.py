"""Routes about third parties' sources, their mappings and their payloads."""
