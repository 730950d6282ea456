"""How many devices, meters and series there may be, and how much of them in memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How many names there may be. What is beyond is not added, and so found nowhere."""

    devices: int = 100_000
    meters_per_device: int = 256
    series_per_meter: int = 512
    cached_bytes: int = 256 * 1024 * 1024
