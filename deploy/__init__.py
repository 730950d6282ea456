"""The composition root: the `wattline` command, the local stack, the demo, and what installs the parts."""
