"""Channels and rules of notifications, as people manage them; workers find, tell and send."""
