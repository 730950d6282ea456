"""Third parties' sources as engineers keep them: settings, secrets, mappings by version, payloads that gave nothing."""
