"""What was refused, and the way back."""
