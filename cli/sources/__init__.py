"""`wattline source`: third parties whose payloads become readings, and how."""
