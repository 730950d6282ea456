"""What foreign devices say of themselves in Home Assistant's discovery messages. Pure functions."""
