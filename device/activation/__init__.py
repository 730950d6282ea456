"""How a configuration takes effect, and how it must prove itself."""
