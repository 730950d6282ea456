"""Devices, their labels and groups, their meters and where these stand."""
