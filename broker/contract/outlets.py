"""Where what we give to others lies on a broker of ours, unless settings say otherwise: rights are given for these."""

from typing import Final

HOME_ASSISTANT: Final = "homeassistant"
"""Home Assistant's prefix of discovery, and of its own birth and will (`/status`)."""
SPARKPLUG_GROUP: Final = "Wattline"
"""The group of our edge node in Sparkplug."""
HOME_ASSISTANT_STATES: Final = "wattline/ha"
"""What topics of values for Home Assistant begin with."""
