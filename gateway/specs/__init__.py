"""The life of a spec: drafted, checked, compared, published, deprecated."""
