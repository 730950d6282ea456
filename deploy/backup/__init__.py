"""Backup of a whole platform into one file, and its restore into an empty place."""
