"""Which releases run where, and what became of those that are desired."""
