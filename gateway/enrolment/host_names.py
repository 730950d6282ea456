"""By which names this machine is called from others."""

import socket
from typing import Final

HERE: Final = ("localhost", "127.0.0.1")
"""How this machine calls itself: what is asked by its own health checks and commands."""
_ELSEWHERE: Final = ("192.0.2.1", 9)
"""An address that is nobody's (RFC 5737)."""


def own_names() -> tuple[str, ...]:
    """Its host names, and the address by which it reaches others, if it has one."""
    found = (socket.gethostname(), socket.getfqdn(), _address(), *HERE)
    return tuple(dict.fromkeys(name for name in found if name))


def _address() -> str:
    """Nothing is sent: the kernel says from which address it would be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ""
        return str(probe.getsockname()[0])
