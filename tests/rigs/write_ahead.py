"""A write-ahead on a real disk, and what is gathered into it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.contract.messages import Clock, Sample, Source
from device.outbox.gathered import Gathered, GatheredSample, ReadingsOf
from device.outbox.write_ahead import WriteAhead

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OF = ReadingsOf("LGZ:1", "lgz-e350@1", Clock.METER, Source.LIVE)
GAS = ReadingsOf("LGZ:1:GAS", "lgz-e350@1", Clock.METER, Source.LIVE)


def sample(n: int, of: ReadingsOf = OF) -> GatheredSample:
    """One of each second, with a code whose unit the catalogue leaves open."""
    values = {"1-0:1.8.0": float(n), "0-1:24.2.1": 2.5}
    return GatheredSample(of, Sample(at=NOON + timedelta(seconds=n), values=values), {"0-1:24.2.1": "m³"})


def opened(folder: Path, **more: int) -> WriteAhead:
    """A write-ahead that has started."""
    ahead = WriteAhead(folder, **more)
    ahead.open()
    return ahead


def left(folder: Path) -> list[Gathered]:
    """What the next start would find."""
    return opened(folder).take_left()
