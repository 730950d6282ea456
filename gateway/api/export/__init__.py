"""Readings and roll-ups as a stream."""
