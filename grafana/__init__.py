"""What operators see: dashboards, the data source, and their provisioning."""
