"""What differs between TimescaleDB's editions: SQL files, rendered with the settings, applied after migrations."""
