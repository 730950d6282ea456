"""`python -m benchmarks.reckon`: the table of docs/SCALE.md, out of what one message, row and reading cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

VALUES: Final = 10
"""Values of a sample: import, export, power and voltages of three phases, say."""
DAY_S: Final = 86_400
FLEETS: Final = (10_000, 100_000, 1_000_000)
WAYS: Final = ((900, 1), (60, 15), (60, 1), (10, 1))
"""Seconds between a meter's samples, and how many of them are published together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one of each costs; docs/PERFORMANCE.md and `python -m benchmarks.scale` measure them."""

    message_us: float = 65.0
    """CPU of ingestor (19), PostgreSQL (24) and broker (22) for a message of ten values: `make bench`."""
    further_value_us: float = 3.4
    """... and for each value beyond ten: a message of 100 values takes 370 µs."""
    rolled_readings_s: float = 225_000
    """Readings that a core rolls up in a second: `make bench STORE=1`."""
    reading_bytes: float = 89.9
    compressed_bytes: float = 7.9
    """A reading on Community once it is compressed: `make bench STORE=1`, community."""
    quarter_bytes: float = 190.0
    """A quarter-hour of a series: 66.78 bytes a reading at 0.35 quarter-hours a reading, `make bench STORE=1`."""
    ledger_bytes: float = 110.2
    reading_wal_bytes: float = 169.1
    message_wal_bytes: float = 137.1
    publish_bytes: float = 424.0
    """A PUBLISH of ten values; `further_value_bytes` for each further one."""
    further_value_bytes: float = 26.4
    around_bytes: float = 280.0
    """TCP and IP for a message and its PUBACK, the PUBACK, and a receipt; without TLS."""
    connection_bytes: float = 3_984
    """A connected, quiet agent at Mosquitto, without the kernel's buffers."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What a fleet of meters needs; rates in seconds, sizes of a day."""

    messages_s: float
    rows_s: float
    cores: float
    raw_gb: float
    compressed_gb: float
    quarters_gb: float
    ledger_gb: float
    network_mbit_s: float
    wal_mbit_s: float
    connections_mb: float


def reckon(meters: int, every_s: float, together: int, one: Measured) -> Reckoned:
    """For meters with a device each, a sample of ten values every so many seconds, `together` of them in a message."""
    samples_s = meters / every_s
    messages_s, rows_s = samples_s / together, samples_s * VALUES
    further = VALUES * (together - 1)
    message_us = one.message_us + further * one.further_value_us
    bytes_a_message = one.publish_bytes + further * one.further_value_bytes + one.around_bytes
    rows = rows_s * DAY_S
    return Reckoned(
        messages_s=messages_s,
        rows_s=rows_s,
        cores=messages_s * message_us / 1e6 + rows_s / one.rolled_readings_s,
        raw_gb=rows * one.reading_bytes / 1e9,
        compressed_gb=rows * one.compressed_bytes / 1e9,
        quarters_gb=min(rows, meters * VALUES * 96) * one.quarter_bytes / 1e9,
        ledger_gb=messages_s * DAY_S * one.ledger_bytes / 1e9,
        network_mbit_s=messages_s * bytes_a_message * 8 / 1e6,
        wal_mbit_s=(rows_s * one.reading_wal_bytes + messages_s * one.message_wal_bytes) * 8 / 1e6,
        connections_mb=meters * one.connection_bytes / 1e6,
    )


def table(one: Measured) -> Iterator[str]:
    """In Markdown."""
    heads = ("meters", "a sample each", "messages/s", "rows/s", "cores", "raw a day", "compressed", "quarter-hours")
    yield "| " + " | ".join((*heads, "ledger", "network", "WAL")) + " |"
    yield "|---" * 11 + "|"
    for every_s, together in WAYS:
        gathered = f", {together} a message" if together > 1 else ""
        for meters in FLEETS:
            r = reckon(meters, every_s, together, one)
            cells = (
                f"{meters:,}".replace(",", " "), f"{every_s} s{gathered}", _number(r.messages_s), _number(r.rows_s),
                _number(r.cores), f"{_number(r.raw_gb)} GB", f"{_number(r.compressed_gb)} GB",
                f"{_number(r.quarters_gb)} GB", f"{_number(r.ledger_gb)} GB", f"{_number(r.network_mbit_s)} Mbit/s",
                f"{_number(r.wal_mbit_s)} Mbit/s",
            )  # fmt: skip
            yield "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    """Two digits that count, for it is an estimate; whole thousands apart."""
    if value >= 100:
        rounded = round(value, 2 - len(str(int(value))))
        return f"{rounded:,.0f}".replace(",", " ")
    return f"{value:.2g}"


if __name__ == "__main__":
    for line in table(Measured()):
        print(line)
