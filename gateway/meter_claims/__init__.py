"""Meters that more than one device registers: when one of them becomes another's, and what follows of it."""
