"""Newest readings as metrics of the outlet's own /metrics, for small sites that have Prometheus and nothing else."""
