"""What is measured, side by side with the limit measured in the same run."""
