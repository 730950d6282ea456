"""Keys of meters over HTTP: written, never read."""
