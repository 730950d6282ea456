"""Signing releases: what publishers do at their desks, so that Pis need trust nobody between."""
