"""Commands from the platform: judged, done once, answered."""
