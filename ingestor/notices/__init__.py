"""Notifications: what happened is found, told by rules, and sent to channels, by any number of workers."""
