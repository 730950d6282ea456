"""What one of several ingestors does for the database beside writing, under a lease that ends."""
