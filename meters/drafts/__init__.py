"""Specs proposed from the raw frames of unknown products."""
