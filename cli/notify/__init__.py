"""`wattline notify`: channels, rules, and messages on their way."""
