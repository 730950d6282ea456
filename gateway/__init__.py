"""The config service: registrations, specs, parameters, and the HTTP API over them."""
