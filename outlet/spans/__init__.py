"""What was stored, in the order of commits, and how far each output is that gives all of it."""
