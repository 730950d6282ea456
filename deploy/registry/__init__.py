"""A registry of our images: Debian's docker-registry twice on one store, read-only for Pis, and one to publish by."""
