"""Sparkplug B 3.0 as bytes and topics, without I/O: for hosts that hear edge nodes, and for edge nodes of our own."""
