"""The frame counters of ciphered meters over restarts, so that a recorded telegram counts never again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

import structlog

from broker.errors import ContractError
from device.sealed_file import read_either, write_twice
from meters.wires.frame_counters import Counted, FrameCounters

log = structlog.get_logger()

SAVE_EVERY_S: Final = 60.0
"""About as often the file is written, and not with each telegram: a card bears so many writes and no more."""
AHEAD_MAX: Final = 4096
PORTS_MAX: Final = 64


@dataclass(slots=True)
class _Pace:
    """How fast a meter counts, and from where on that is measured."""

    newest: int
    since_s: float
    a_second: float = 0.0


class CounterMemory:
    """`frame-counters.json` in the data folder, with a copy: by port and system title what was counted.

    Before a telegram counts the disk has a bound that lies above it, by about a minute of the meter's own counting; one
    write moves the bounds of all meters. A run that is cut off leaves the bounds: telegrams up to them are taken again
    only where their own time says that they are new. A disk that refuses costs the memory and no reading. `damage` says
    what was found wrong: then each meter counts as new.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version = 0
        self._found: dict[str, dict[str, Counted]] = {}
        self._lines: dict[str, FrameCounters] = {}
        self._bounds: dict[tuple[str, str], int] = {}
        self._paces: dict[tuple[str, str], _Pace] = {}
        self._saved_s = float("-inf")
        self.damage = ""

    def load(self, version: int) -> None:
        """Read what an earlier run left, where it counted by the same keys: `version` is that of the keys in force."""
        self._version = version
        try:
            found = read_either(self._file)
            self.damage = found.damage
            document: Mapping[str, Any] = json.loads(found.data)
            if int(document["version"]) == version:
                self._found = {
                    str(port): {str(title): _counted(*one) for title, one in meters.items()}
                    for port, meters in document["ports"].items()
                }
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.damage = str(error)[:1000]
            log.warning("frame_counters_unreadable", path=str(self._file), error=repr(error))

    def of(self, port: str) -> FrameCounters:
        """The counters of one port, which this memory keeps from now on."""
        if port not in self._lines:
            if len(self._lines) >= PORTS_MAX:
                del self._lines[next(iter(self._lines))]
            self._lines[port] = FrameCounters(self._found.get(port))
        return self._lines[port]

    def another_key(self, version: int) -> None:
        """Other keys begin other counts: of none is anything known."""
        if version != self._version:
            self._version = version
            for counters in self._lines.values():
                counters.forget()

    def counted(self, port: str, title: str, now_s: float) -> None:
        """A telegram of a meter counts from now on."""
        known = self.of(port).all.get(title)
        bound = self._bounds.get((port, title), -1)
        if known is not None and (known.newest > bound or now_s - self._saved_s > SAVE_EVERY_S):
            self._save(now_s)
            self._saved_s = now_s

    def close(self) -> None:
        """The end of a run that is not cut off: nothing is counted any more."""
        if self._bounds:
            self._save(None)

    def _save(self, now_s: float | None) -> None:
        """Write all counters, with bounds that last until the next write; as they are without a time."""
        # ports that were not opened in this run are as they were found
        ports = {port: {title: _document(one) for title, one in found.items()} for port, found in self._found.items()}
        self._bounds = {}
        for port, counters in self._lines.items():
            ports[port] = {}
            for title, one in counters.all.items():
                ahead = 0 if now_s is None else self._ahead((port, title), one.newest, now_s)
                # what an earlier run may have counted is no less so for our being here
                bound = max(one.bound, one.newest + ahead)
                self._bounds[port, title] = bound
                ports[port][title] = _document(replace(one, bound=bound))
        try:
            write_twice(self._file, json.dumps({"version": self._version, "ports": ports}).encode())
        except OSError as error:
            log.warning("frame_counters_not_saved", path=str(self._file), error=str(error))

    def _ahead(self, meter: tuple[str, str], newest: int, now_s: float) -> int:
        pace = self._paces.setdefault(meter, _Pace(newest, now_s))
        passed_s = now_s - pace.since_s
        if passed_s >= SAVE_EVERY_S / 2 or not pace.a_second:
            pace.a_second = max(0, newest - pace.newest) / max(1.0, passed_s)
        if passed_s >= SAVE_EVERY_S / 2:
            pace.newest, pace.since_s = newest, now_s
        return min(AHEAD_MAX, max(1, ceil(pace.a_second * SAVE_EVERY_S)))


def _document(one: Counted) -> tuple[int, int, str | None]:
    return one.newest, one.bound, one.at.isoformat() if one.at is not None else None


def _counted(newest: int, bound: int, at: str | None) -> Counted:
    return Counted(int(newest), max(int(newest), int(bound)), datetime.fromisoformat(at) if at is not None else None)
