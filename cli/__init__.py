"""The commands of `wattline` that ask a gateway over its HTTP API."""
