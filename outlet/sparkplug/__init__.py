"""Our meters as devices below one edge node of Sparkplug B 3.0."""
