"""Parameters of a scope, their history, and their staged changes."""
