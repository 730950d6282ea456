"""A change of parameters for a part of the fleet first: who, when the next, when back."""
