"""What the machine is: the device id bound to it, and the hardware that registration names."""

import hashlib
import platform
import re
from pathlib import Path
from typing import Final

from broker.contract.messages import Hardware
from broker.errors import PermanentError
from broker.patterns import is_name

SERIAL_FILE: Final = Path("/proc/device-tree/serial-number")
MODEL_FILE: Final = Path("/proc/device-tree/model")
MACHINE_ID_FILE: Final = Path("/etc/machine-id")
OS_FILE: Final = Path("/etc/os-release")


def device_id(serial_file: Path = SERIAL_FILE, machine_id_file: Path = MACHINE_ID_FILE) -> str:
    """The id bound to the hardware: a Pi's serial number, else a hash of the machine id.

    Raises PermanentError where the machine has neither.
    """
    serial = re.sub(r"[^A-Za-z0-9._-]", "", _text(serial_file)).lstrip("0")[:48]
    if serial and is_name(f"pi-{serial}"):
        return f"pi-{serial}"
    machine = _text(machine_id_file)
    if machine:
        # the machine id itself must not leave the machine: machine-id(5)
        return "machine-" + hashlib.sha256(b"wattline:" + machine.encode()).hexdigest()[:16]
    raise PermanentError(
        f"no {serial_file} and no {machine_id_file} to name this device by; set WATTLINE_DEVICE_DEVICE_ID"
    )


def hardware() -> Hardware:
    """The machine, as registration names it."""
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text(OS_FILE), re.MULTILINE)
    return Hardware(
        model=_text(MODEL_FILE)[:256] or platform.node()[:256] or None,
        serial=_text(SERIAL_FILE)[:256] or None,
        os=(pretty[1] if pretty else platform.platform())[:256],
        machine=platform.machine()[:256] or None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip().strip("\0")
    except OSError:
        return ""
