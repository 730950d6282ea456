"""The meters that stand and their newest readings, as the store has them."""
