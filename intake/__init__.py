"""What third parties send: kept durably as it came, before anybody says yes to it."""
