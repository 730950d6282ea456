"""The Raspberry Pi agent: serial ports, identification, decoding, outbox, parameters; and the simulated meters."""
