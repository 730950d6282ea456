"""Meters as devices of Home Assistant, by its MQTT discovery: one retained message a device, and values beside it."""
