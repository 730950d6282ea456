SELECT device, facts || labels AS labels FROM device_label_set WHERE device = ANY ($1)
