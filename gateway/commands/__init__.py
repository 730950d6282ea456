"""Commands to devices: entered within bounds, ended by a reply or by their time."""
