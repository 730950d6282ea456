"""Another address of the broker, told by the platform: tried, proven or undone, and never without a way back."""
