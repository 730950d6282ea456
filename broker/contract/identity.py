"""Who logs in at the broker: a device's identities, and the names that no device may have."""

import re
from typing import Final

from broker.errors import ContractError
from broker.patterns import NAME

INGESTOR: Final = "ingestor"
GATEWAY: Final = "gateway"
ENGINEER: Final = "engineer"
MONITOR: Final = "monitor"
BRIDGE: Final = "bridge"
FOREIGN: Final = "foreign"
"""Other people's devices, which speak topics of their own."""
OUTLET: Final = "outlet"
HOME_ASSISTANT: Final = "home-assistant"
SPARKPLUG_HOST: Final = "sparkplug-host"
ROLES: Final = (INGESTOR, GATEWAY, ENGINEER, MONITOR, BRIDGE, FOREIGN, OUTLET, HOME_ASSISTANT, SPARKPLUG_HOST)
"""What a login that is no device may be. One that has no other name is called as its role."""
PLATFORM_PREFIX: Final = "wattline-"
"""How the client ids of our services begin, and logins that are no device's."""
SOURCE_PREFIX: Final = "source-"
"""How the devices are called that stand for third parties' sources."""
IDENTITY: Final = NAME + "(~[1-9][0-9]{0,5})?"
"""A device id, or with `~2`, `~3` that of a later enrolment of the same device."""
_IDENTITY: Final = re.compile(IDENTITY)


def device_of(identity: str) -> str:
    """The device whose identity this is: all of it up to a `~`, which no device id has."""
    return identity.partition("~")[0]


def is_reserved(name: str) -> bool:
    """Whether a name is the platform's own, so that no device may have it."""
    return name in ROLES or name.startswith((PLATFORM_PREFIX, SOURCE_PREFIX))


def check_identity(identity: str) -> str:
    """The identity, as it may stand in a user name, a client id and a topic. Raises ContractError."""
    if not _IDENTITY.fullmatch(identity):
        raise ContractError(
            f"{identity[:80]!r} is no user name", field="user", fix="1 to 64 letters, digits, . _ - (and ~2, ~3, ...)"
        )
    return identity
