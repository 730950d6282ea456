"""Messages into batches: what each delivery is, what it refers to, what can't be taken and why."""
