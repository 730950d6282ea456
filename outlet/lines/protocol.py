"""InfluxDB's line protocol: one reading a line, the same for the same reading, so that a repeat is the same point."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TAG: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_MEASUREMENT: Final = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def escaped_tag(text: str) -> str:
    """A tag's value."""
    return _ended(text.translate(_TAG))


def escaped_measurement(text: str) -> str:
    """A measurement's name; one that begins with # would be a comment."""
    made = text.translate(_MEASUREMENT)
    return _ended(f"_{made}" if made.startswith("#") else made)


def _ended(text: str) -> str:
    """A backslash at the end would escape what follows it, and can't be escaped itself: it gets an underscore."""
    return f"{text}_" if text.endswith("\\") else text


def line(measurement: str, meter: str, obis: str, unit: str, at: datetime, value: float) -> str | None:
    """One reading, without its end; None for a value that the protocol can't say. The time is Unix ns, UTC.

    Tags are what a series is by and never changes: a point's name or device beside them would make another point of
    the same reading once they change. `unit` is left out where there is none, as an empty tag is refused.
    """
    if not math.isfinite(value):
        return None
    tags = f",meter={escaped_tag(meter)},obis={escaped_tag(obis)}" + (f",unit={escaped_tag(unit)}" if unit else "")
    return f"{escaped_measurement(measurement)}{tags} value={value!r} {(at - _EPOCH) // _MICROSECOND * 1000}"
