"""OCI images of the agent and of the services, built without a container engine, and a registry to keep them in."""
