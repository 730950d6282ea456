"""How payloads of third parties become readings and events: mappings as data, and their application."""
