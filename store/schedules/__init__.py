"""Jobs that are asked for by the clock: when, what for, and what became of it."""
