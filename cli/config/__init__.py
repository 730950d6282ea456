"""`wattline config ...`: parameters of devices, groups and the fleet."""
