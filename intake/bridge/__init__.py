"""`wattline bridge`: other people's devices by MQTT, from their own topics into the inbox."""
