"""The link layer that the two text protocols share, IEC 62056-21 and P1."""
