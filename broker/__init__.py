"""The shared floor: the contract between the parts, the MQTT session and the service runtime."""
