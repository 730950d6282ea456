"""Reports over a period: which one, what the roll-ups say of it, and how it is told in a mail and a file."""
