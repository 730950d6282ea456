"""What the parts promise one another: topics, messages, parameters, commands, OBIS codes. No I/O."""
