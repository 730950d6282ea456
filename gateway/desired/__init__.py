"""What a device is to have: layers merged, specs matched, the desired configuration built and versioned."""
