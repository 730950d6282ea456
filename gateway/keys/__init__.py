"""Keys of meters: set by people, sealed at rest, given to the one device at whose port each meter stands."""
