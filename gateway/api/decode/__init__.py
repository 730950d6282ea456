"""What pasted bytes mean."""
