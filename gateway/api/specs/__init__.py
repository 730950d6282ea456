"""Specs and their rollouts."""
