"""What is known of each meter's event log over restarts: when it was read, and which entries were told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from broker.errors import ContractError
from device.sealed_file import read_either, write_twice

log = structlog.get_logger()

METERS_MAX: Final = 256
TOLD_MAX: Final = 256
"""Entries of a meter that are remembered as told: a repeat beyond them is the store's to recognise."""


@dataclass(frozen=True, slots=True)
class KnownLog:
    """When a meter's log was read last, the newest entry's time, and the newest entries that were told."""

    read_at: datetime
    newest_at: datetime | None = None
    told: tuple[str, ...] = ()


class LogMemory:
    """`event-logs.json` in the data folder, with a copy; where both are damaged no log was ever read.

    Beyond METERS_MAX the log is forgotten that was read longest ago. `damage` says what was found wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.damage = ""
        self._meters: dict[str, KnownLog] = {}

    def load(self) -> None:
        """Read what an earlier run left."""
        try:
            found = read_either(self._file)
            self.damage = found.damage
            document: Mapping[str, Any] = json.loads(found.data)["meters"]
            self._meters = {str(key): _known(entry) for key, entry in document.items()}
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.damage = str(error)[:1000]
            log.warning("event_logs_unreadable", path=str(self._file), error=repr(error))

    def get(self, key: str) -> KnownLog | None:
        """What is known of a meter's log; None where it was never read."""
        return self._meters.get(key)

    def put(self, key: str, known: KnownLog) -> None:
        """Remember it, on disk; where that refuses, only over this run."""
        self._meters[key] = known
        while len(self._meters) > METERS_MAX:
            del self._meters[min(self._meters, key=lambda one: self._meters[one].read_at)]
        document = {"meters": {name: _document(one) for name, one in self._meters.items()}}
        try:
            write_twice(self._file, json.dumps(document).encode())
        except OSError as error:
            log.warning("event_logs_not_saved", path=str(self._file), error=str(error))


def _document(known: KnownLog) -> dict[str, Any]:
    newest = known.newest_at.isoformat() if known.newest_at else None
    return {"read_at": known.read_at.isoformat(), "newest_at": newest, "told": list(known.told)}


def _known(entry: Mapping[str, Any]) -> KnownLog:
    newest = entry["newest_at"]
    told = tuple(str(one) for one in entry["told"][-TOLD_MAX:])
    return KnownLog(_aware(entry["read_at"]), _aware(newest) if newest is not None else None, told)


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return at
