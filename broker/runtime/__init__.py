"""What every service and command shares: settings, logs, signals, health, and the HTTP that shows it."""
