"""What was found at each port, remembered over restarts so that a known port is tried first by what worked."""

import json
from pathlib import Path
from typing import Any

import structlog

from device.detection import Known
from device.files import write_atomically
from device.line import LineSettings
from meters.telegram import Wire

log = structlog.get_logger()


class PortMemory:
    """`ports.json` in the data folder; an unreadable one only costs the time to detect anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, Known] = {}

    def load(self) -> None:
        """Read what an earlier run remembered."""
        try:
            document: dict[str, Any] = json.loads(self._file.read_bytes())
            self._ports = {
                str(port): Known(LineSettings.parse(entry["line"]), Wire(entry["protocol"]), bool(entry["poll"]))
                for port, entry in document.items()
            }
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("port_memory_unreadable", path=str(self._file), error=repr(error))

    def get(self, port: str) -> Known | None:
        """What worked last at a port."""
        return self._ports.get(port)

    def put(self, port: str, known: Known) -> None:
        """Remember what works at a port."""
        if self._ports.get(port) == known:
            return
        self._ports[port] = known
        document = {
            name: {"line": str(entry.settings), "protocol": str(entry.protocol), "poll": entry.poll}
            for name, entry in self._ports.items()
        }
        try:
            write_atomically(self._file, json.dumps(document, indent=1).encode())
        except OSError as error:
            log.warning("port_memory_not_saved", path=str(self._file), error=str(error))
