"""Meters that more than one device registers."""
