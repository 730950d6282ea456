"""Points of delivery."""
