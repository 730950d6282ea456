"""Mosquitto's configuration, access list and password file, made from the contract."""
