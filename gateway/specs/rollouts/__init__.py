"""A spec version for a part of the fleet first: given, judged, released or withdrawn."""
