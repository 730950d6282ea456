"""What we give to others: meters as others' systems want to see them, from the store."""
