"""Sparkplug B 3.0: foreign edge nodes, to which the bridge is a host application."""
