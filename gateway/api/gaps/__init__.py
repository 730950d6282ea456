"""Where readings of a device's meters are missing."""
