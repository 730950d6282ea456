"""`wattline spec ...`: specs and their rollouts."""
