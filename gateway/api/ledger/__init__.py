"""What was lost, healed, repeated and late."""
