"""Modbus RTU and TCP: requests and replies as frames, values of registers, who answers, and a master's sessions."""
