"""What is known of each meter's history over restarts: until when it was read live, and which spans are wanted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

import structlog

from broker.errors import ContractError
from device.history.spans import SPANS_MAX, Span, Why
from device.sealed_file import read_either, write_twice

log = structlog.get_logger()

METERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Known:
    """One meter: its last live reading as far as the disk has it, and what is wanted of its memory."""

    read_at: datetime | None = None
    wanted: tuple[Span, ...] = ()


class HistoryMemory:
    """`history.json` in the data folder, with a copy; where both are damaged each meter counts as new.

    Beyond METERS_MAX the meter is forgotten that was read longest ago. `damage` says what was found wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.damage = ""
        self._meters: dict[str, Known] = {}

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
            log.warning("history_unreadable", path=str(self._file), error=repr(error))

    def get(self, key: str) -> Known | None:
        """What is known of a meter; None where it was never read."""
        return self._meters.get(key)

    def all(self) -> tuple[tuple[str, Known], ...]:
        """All meters with what is known of each."""
        return tuple(self._meters.items())

    @property
    def wanted_s(self) -> float:
        """How much time is wanted of all meters."""
        spans = [span for known in self._meters.values() for span in known.wanted]
        return sum((span.until - span.since).total_seconds() for span in spans)

    def put(self, key: str, known: Known) -> None:
        """Remember it, on disk; where that refuses, only over this run."""
        self._meters[key] = known
        while len(self._meters) > METERS_MAX:
            del self._meters[min(self._meters, key=lambda one: self._meters[one].read_at or _NEVER)]
        document = {"meters": {name: _document(one) for name, one in self._meters.items()}}
        try:
            write_twice(self._file, json.dumps(document).encode())
        except OSError as error:
            log.warning("history_not_saved", path=str(self._file), error=str(error))


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _document(known: Known) -> dict[str, Any]:
    wanted = [
        [span.since.isoformat(), span.until.isoformat(), span.why, span.read, span.empty_s] for span in known.wanted
    ]
    return {"read_at": known.read_at.isoformat() if known.read_at else None, "wanted": wanted}


def _known(entry: Mapping[str, Any]) -> Known:
    """One meter of the file. Raises KeyError, TypeError or ValueError where it is another thing."""
    spans = tuple(_span(*one) for one in entry["wanted"][:SPANS_MAX])
    return Known(_aware(entry["read_at"]) if entry["read_at"] is not None else None, spans)


def _span(since: str, until: str, why: str, read: int, empty_s: float = 0.0) -> Span:
    known: dict[str, Why] = {one: one for one in get_args(Why)}
    return Span(_aware(since), _aware(until), known[why], int(read), float(empty_s))


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return at
