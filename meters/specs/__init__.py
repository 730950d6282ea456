"""Meter products as data: the spec, the shipped catalogue (`products/`), and which spec fits a meter."""
