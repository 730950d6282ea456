"""What tests of dashboards share: Grafana's macros, seeded databases, and a server that answers as Grafana's API."""
