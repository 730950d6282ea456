"""The fleet in the store: devices, meters, where they stand, their registers, labels and groups."""
