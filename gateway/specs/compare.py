"""Two versions of a spec over the same frames of real meters, and where their readings differ. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from broker.errors import FrameError
from meters.decoding.engine import Decoded, decode
from meters.specs.spec import Spec
from meters.telegram import Telegram
from meters.wires.readers import read_all

MAX_FRAMES: Final = 1000
"""The newest frames that are compared."""
MAX_LISTED: Final = 200
"""Differences that are listed one by one; all are counted."""
TELEGRAM: Final = "telegram"
"""What differs where one of the two refuses the whole telegram."""
CLOCK: Final = "at"
"""What differs where the two read the meter's clock differently."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame as the store keeps it; `at` is the device's receive time, else the platform's."""

    id: int
    meter: str
    at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class ReadingDifference:
    """One reading of one frame by the old and by the new version; None where a version gives none.

    `what` is the OBIS code, with the sub-meter or the interval's end before it, or TELEGRAM or CLOCK.
    """

    frame: int
    meter: str
    at: datetime
    what: str
    old: str | None
    new: str | None


@dataclass(slots=True)
class Tally:
    """How often one reading differs, over all frames and meters."""

    frames: int = 0
    meters: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Comparison:
    """What two versions make of the same frames; `listed` is bounded by MAX_LISTED, the newest frames first."""

    old: str
    new: str
    frames: int = 0
    unreadable: int = 0
    """Frames that hold no whole telegram of the protocol, whatever the spec."""
    same: int = 0
    only_old: int = 0
    """Frames that the new version refuses and the old one reads."""
    only_new: int = 0
    meters: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)
    listed: list[ReadingDifference] = field(default_factory=list)
    since: datetime | None = None

    @property
    def different(self) -> int:
        """Frames that give anything else."""
        return self.frames - self.unreadable - self.same

    def take(self, frame: KeptFrame, differences: list[ReadingDifference]) -> None:
        """Count what one frame gave."""
        self.same += not differences
        for one in differences:
            tally = self.tallies.setdefault(one.what.rpartition(" ")[2], Tally())
            tally.frames += 1
            tally.meters.add(frame.meter)
        room = MAX_LISTED - len(self.listed)
        self.listed += differences[: max(0, room)]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one version makes of a frame: readings by place, or why it refuses it."""

    values: Mapping[str, str]
    at: str | None = None
    refusal: str | None = None


def compare(old: Spec, new: Spec, frames: Iterable[KeptFrame]) -> Comparison:
    """Decode each frame by both versions; the frames come newest first."""
    result = Comparison(old.ref, new.ref)
    for frame in frames:
        result.frames += 1
        result.meters.add(frame.meter)
        result.since = frame.at if result.since is None else min(result.since, frame.at)
        telegrams = [one for one in read_all(new.match.protocol, frame.data, any_crc=True) if isinstance(one, Telegram)]
        if not telegrams:
            result.unreadable += 1
            continue
        before, after = _outcome(old, telegrams), _outcome(new, telegrams)
        result.only_old += before.refusal is None and after.refusal is not None
        result.only_new += before.refusal is not None and after.refusal is None
        result.take(frame, _differences(frame, before, after))
    return result


def _outcome(spec: Spec, telegrams: list[Telegram]) -> _Outcome:
    values: dict[str, str] = {}
    at = None
    for telegram in telegrams:
        try:
            decoded = decode(spec, telegram)
        except FrameError as error:
            return _Outcome({}, None, error.detail or error.reason)
        at = _stamp(decoded.at)
        values |= _values(decoded)
    return _Outcome(values, at)


def _values(decoded: Decoded) -> dict[str, str]:
    found = {}
    for sample in decoded.samples:
        own_time = _stamp(sample.at) if sample.profile or (sample.at != decoded.at and not sample.sub_meter) else None
        place = " ".join(part for part in (sample.sub_meter, own_time) if part)
        for code, value in sample.values.items():
            # normalised, so that 0.50 and 0.5 are the same reading
            text = f"{value.normalize():f} {sample.units.get(code, '')}".rstrip()
            found[f"{place} {code}".lstrip()] = text
    return found


def _differences(frame: KeptFrame, before: _Outcome, after: _Outcome) -> list[ReadingDifference]:
    found: list[tuple[str, str | None, str | None]] = []
    if before.refusal is not None or after.refusal is not None:
        if before.refusal is None or after.refusal is None:
            sides = [f"refused: {one.refusal}"[:300] if one.refusal else "read" for one in (before, after)]
            found = [(TELEGRAM, sides[0], sides[1])]
    else:
        places = sorted(before.values.keys() | after.values.keys())
        found = [(place, before.values.get(place), after.values.get(place)) for place in places]
        found.append((CLOCK, before.at, after.at))
    return [
        ReadingDifference(frame.id, frame.meter, frame.at, what, old, new) for what, old, new in found if old != new
    ]


def _stamp(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
