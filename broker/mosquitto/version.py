"""Which versions of Mosquitto do, by what one says of itself; nothing here does I/O."""

import re

MINIMUM = (2, 0, 16)
"""The first version that tells an agent that another took its id (2.0.15: before it, two of one id fight on) and that
gives strangers without a password no memory (CVE-2023-0809)."""
_VERSION = re.compile(r"mosquitto version (\d+)\.(\d+)(?:\.(\d+))?")


def version_of(text: str) -> tuple[int, ...] | None:
    """The version out of what Mosquitto says of itself (`-h`, `$SYS/broker/version`), or None if it is no Mosquitto."""
    found = _VERSION.search(text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def version_fault(text: str) -> str | None:
    """Why the Mosquitto that says this of itself is too old, or None; what is no Mosquitto is not judged."""
    version = version_of(text)
    if version is None or version >= MINIMUM:
        return None
    dotted, least = (".".join(map(str, each)) for each in (version, MINIMUM))
    return f"Mosquitto {dotted}, {least} or later is wanted (an older one lets two agents of one id fight on)"
