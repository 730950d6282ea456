"""The MQTT 5 session over paho."""
