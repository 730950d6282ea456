"""What was found at each port, remembered over restarts so that a known port is tried first by what worked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from broker.errors import ContractError
from device.line_settings import LineSettings
from device.ports.detection import KnownLine
from device.sealed_file import read_either, write_twice
from meters.telegram import Wire

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Slow:
    """A meter that could not be read at `baud`, the rate that it proposes, so many `times` in a row."""

    baud: int
    times: int
    until_at: datetime
    """Until then it is read at 300 baud without a try."""


@dataclass(frozen=True, slots=True)
class _Port:
    known: KnownLine | None = None
    slow: Mapping[str, Slow] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.known is not None:
            line, protocol = str(self.known.settings), str(self.known.protocol)
            found |= {"line": line, "protocol": protocol, "poll": self.known.poll}
        if self.slow:
            found["slow"] = {
                text: {"baud": one.baud, "times": one.times, "until": one.until_at.isoformat()}
                for text, one in self.slow.items()
            }
        return found


class PortMemory:
    """`ports.json` in the data folder, with a copy; where both are damaged it only costs the time to detect anew.

    `damage` says what was found wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.damage = ""
        self._ports: dict[str, _Port] = {}

    def load(self) -> None:
        """Read what an earlier run remembered."""
        try:
            found = read_either(self._file)
            self.damage = found.damage
            document: dict[str, Any] = json.loads(found.data)
            self._ports = {str(port): _port(entry) for port, entry in document.items()}
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.damage = str(error)[:1000]
            log.warning("port_memory_unreadable", path=str(self._file), error=repr(error))

    def get(self, port: str) -> KnownLine | None:
        """What worked last at a port."""
        return self._ports.get(port, _Port()).known

    def put(self, port: str, known: KnownLine) -> None:
        """Remember what works at a port."""
        self._put(port, _Port(known, self.slow(port)))

    def slow(self, port: str) -> Mapping[str, Slow]:
        """The meters at a port that do not follow the rate that they propose, by identification."""
        return self._ports.get(port, _Port()).slow

    def put_slow(self, port: str, slow: Mapping[str, Slow]) -> None:
        """Remember which meters at a port do not follow."""
        self._put(port, _Port(self.get(port), slow))

    def _put(self, port: str, entry: _Port) -> None:
        if self._ports.get(port) == entry:
            return
        self._ports[port] = entry
        document = {name: one.document() for name, one in self._ports.items()}
        try:
            write_twice(self._file, json.dumps(document, indent=1).encode())
        except OSError as error:
            log.warning("port_memory_not_saved", path=str(self._file), error=str(error))


def _port(entry: dict[str, Any]) -> _Port:
    """One port of the file. Raises KeyError, TypeError or ValueError where it is another thing."""
    known = None
    if "line" in entry:
        known = KnownLine(LineSettings.parse(entry["line"]), Wire(entry["protocol"]), bool(entry["poll"]))
    slow = {
        str(text): Slow(int(one["baud"]), int(one["times"]), _aware(one["until"]))
        for text, one in entry.get("slow", {}).items()
    }
    return _Port(known, slow)


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return at
