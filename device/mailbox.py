"""Two files by which agent and updater talk: the agent has the connection, the updater the right to change software.

Each writes to a folder of its own and reads the other's with distrust: they run under different accounts.
"""

import os
import stat
from pathlib import Path
from typing import Final

from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.errors import ContractError
from device.files import write_atomically

BROKER: Final = "broker"
DESIRED: Final = "desired.json"
REPORTED: Final = "reported.json"
MAX_BYTES: Final = 64 * 1024


def put_desired(folder: Path, payload: bytes) -> SoftwareDesired | None:
    """Hand over what the platform desires, as it came; nothing is desired any more where it is empty.

    Raises ContractError, OSError.
    """
    if not payload:
        (folder / DESIRED).unlink(missing_ok=True)
        return None
    desired = SoftwareDesired.parse(payload)
    write_atomically(folder / DESIRED, payload)
    return desired


def is_desired(folder: Path, payload: bytes) -> bool:
    """Whether exactly this is handed over already: it comes again at each connect. Raises ContractError, OSError."""
    return (_read(folder / DESIRED) or b"") == payload


def take_desired(folder: Path) -> SoftwareDesired | None:
    """What the platform desires, None where that is nothing. Raises ContractError, OSError."""
    payload = _read(folder / DESIRED)
    return None if payload is None else SoftwareDesired.parse(payload)


def put_reported(folder: Path, reported: SoftwareReported) -> None:
    """Hand over what became of it, readable for the agent. Raises OSError."""
    path = folder / REPORTED
    write_atomically(path, reported.payload())
    path.chmod(0o644)


def take_reported(folder: Path) -> SoftwareReported | None:
    """What became of it, None before the first. Raises ContractError, OSError."""
    payload = _read(folder / REPORTED)
    return None if payload is None else SoftwareReported.parse(payload)


def put_broker(folder: Path, nodes: str) -> None:
    """Say where the broker is, as `host:port` with commas, where that is not what settings say; empty: it is.

    Raises OSError.
    """
    if nodes:
        write_atomically(folder / BROKER, nodes.encode())
    else:
        (folder / BROKER).unlink(missing_ok=True)


def take_broker(folder: Path) -> str:
    """Where the agent finds the broker, empty where settings say it. Raises ContractError, OSError."""
    return (_read(folder / BROKER) or b"").decode(errors="replace")


def _read(path: Path) -> bytes | None:
    """A file of another account's: no link is followed, nothing but a file is read, and not more than is plausible."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ContractError(f"{path} is no file", field=path.name, fix="remove it")
    with os.fdopen(descriptor, "rb") as file:
        payload = file.read(MAX_BYTES + 1)
    if len(payload) > MAX_BYTES:
        raise ContractError(f"{path} has more than {MAX_BYTES} bytes", field=path.name, fix="remove it")
    return payload
