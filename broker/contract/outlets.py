"""Where what we give to others lies on a broker of ours, unless settings say otherwise: rights are given for these."""

from typing import Final

HOME_ASSISTANT: Final = "homeassistant"
"""Home Assistant's prefix of discovery, and of its own birth and will (`/status`)."""
SPARKPLUG_GROUP: Final = "Wattline"
"""The group of our edge node in Sparkplug."""
SPARKPLUG_NODES: Final = f"spBv1.0/{SPARKPLUG_GROUP}"
"""What topics of our edge nodes begin with."""
HOME_ASSISTANT_BIRTHS: Final = f"{HOME_ASSISTANT}/status"
"""Where Home Assistant says that it is there, upon which all is announced again."""
HOME_ASSISTANT_STATES: Final = "wattline/ha"
"""What topics of values for Home Assistant begin with."""
HOME_ASSISTANT_DEVICES: Final = f"{HOME_ASSISTANT}/device/+/config"
"""Where our meters are announced to Home Assistant."""
ORIGIN: Final = "Wattline"
"""What our announcements to Home Assistant name as their origin."""


def is_ours(topic: str) -> bool:
    """Whether a topic is of what we give to others: whoever takes it in as foreign has our own meters twice."""
    return topic.startswith((f"{SPARKPLUG_NODES}/", f"{HOME_ASSISTANT_STATES}/"))
