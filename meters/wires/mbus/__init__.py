"""M-Bus over wires (EN 13757-2, EN 13757-3): link frames, data records, their OBIS codes, and a master's sessions."""
