"""The way of nearly all readings: read without patterns, for all that is in them was validated when it came first."""

import re
from datetime import datetime
from struct import Struct

import msgspec

from broker.contract.messages import MAX_PAYLOAD_BYTES, Readings, Source
from broker.contract.plausible_values import ALWAYS, BoundsByCode
from broker.contract.topics import Kind
from ingestor.batches.batch import Batch, Received
from ingestor.batches.names import Names
from ingestor.batches.rows import micros, plain_ledger_row
from ingestor.settings import Judging
from store.codes import KIND_CODES, SOURCE_CODES

_MOST_SAMPLES = 4096
_MOST_VALUES = 512
_MOST_SEQ = 2**53
_MOST_RESENT = 2**31 - 1
_MOST_KEPT = 50_000
_HEX = "0123456789abcdef"
_SECOND = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]", re.ASCII)
_HEAD = Struct(">hiqi").pack
_TAIL = Struct(">diiih").pack
_KIND = KIND_CODES[Kind.READINGS]
_SOURCES = {(str(source), str(clock)): code for (source, clock), code in SOURCE_CODES.items()}


class _Sample(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    at: str
    values: dict[str, float]


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A readings message as agents send it; anything more is for the contract's own model to judge."""

    boot: str
    seq: int
    meter: str
    spec: str
    clock: str
    samples: list[_Sample]
    source: str = "live"
    resent: int | None = None


class _Seconds(dict[str, int]):
    """Microseconds by the first 19 characters of a time in UTC, remembered up to a bound at which all are forgotten."""

    def __missing__(self, text: str) -> int:
        """Read one. Raises ValueError for what is no time as agents write it."""
        if _SECOND.fullmatch(text) is None:
            raise ValueError(text)
        if len(self) >= _MOST_KEPT:
            self.clear()
        found = self[text] = micros(datetime.fromisoformat(f"{text}+00:00"))
        return found


class FastPath:
    """Enters messages that the contract's model would accept as they are, whose names are in memory, and no others.

    It never refuses: what it does not take goes the careful way, which comes to the same verdict of all it takes.
    """

    def __init__(self, settings: Judging, names: Names) -> None:
        self._names = names
        self._decode = msgspec.json.Decoder(_Message).decode
        self._earliest_us = micros(settings.earliest_at)
        self._future_us = round(settings.max_future_s * 1_000_000)
        self._seconds = _Seconds()
        self._bounds = BoundsByCode()
        self._specs: set[str] = set()

    def learn(self, message: Readings) -> None:
        """Remember the spec of a message that was accepted."""
        if len(self._specs) >= _MOST_KEPT:
            self._specs.clear()
        self._specs.add(message.spec)

    def enter(self, batch: Batch, received: Received, device: str) -> bool:
        """Enter a message; False leaves the batch as it was."""
        payload = received.delivery.payload
        if len(payload) > MAX_PAYLOAD_BYTES:
            return False
        try:
            message = self._decode(payload)
            meter = self._names.meters[message.meter]
            device_id = self._names.devices[device]
            source = _SOURCES[message.source, message.clock]
            if not self._is_sound(message):
                return False
            if meter.owner_id not in (None, device_id):
                return False
            kept_from_us = received.received_us - self._names.keep_us
            earliest_us = max(self._earliest_us, kept_from_us, meter.owned_from_us)
            samples = self._pack(message, meter.series, source, earliest_us, received.received_us + self._future_us)
        except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
            return False
        if samples is None:
            return False
        meter.used = True
        newest_us, count = meter.newest_us, 0
        meter_id = meter.id
        again = message.resent is not None or self._names.repeats(device_id, received.received_us)
        for at_us, rows, values in samples:
            count += values
            if again or at_us == newest_us:
                batch.repeats += rows
                newest_us = max(at_us, newest_us)
            else:
                newest_us = max(at_us, newest_us)
                batch.samples.append((meter_id, at_us, rows))
                batch.sampled_rows += values
        meter.newest_us = newest_us
        message_newest_us = max(samples)[0]
        if message.source == Source.PROFILE:
            batch.note_profile(received, meter, b"".join(rows for _, rows, _ in samples))
        batch.newest_us = message_newest_us if batch.newest_us is None else max(message_newest_us, batch.newest_us)
        boot, seq = message.boot, message.seq
        batch.ledger += plain_ledger_row(
            received.received_us,
            message_newest_us,
            seq,
            device_id,
            meter_id,
            count,
            _KIND,
            boot,
            message.spec,
            message.resent,
        )
        batch.ledger_rows += 1
        batch.seen[device_id] = received.received_us
        batch.confirmed.append((device, boot, seq))
        return True

    def _is_sound(self, message: _Message) -> bool:
        """What the contract's model asks of a message beside its samples and names."""
        boot, resent = message.boot, message.resent
        return (
            message.spec in self._specs
            and 4 <= len(boot) <= 32
            and not boot.strip(_HEX)
            and 1 <= message.seq <= _MOST_SEQ
            and (resent is None or 1 <= resent <= _MOST_RESENT)
            and 1 <= len(message.samples) <= _MOST_SAMPLES
        )

    def _pack(
        self, message: _Message, series: dict[str, int], source: int, earliest_us: int, latest_us: int
    ) -> list[tuple[int, bytes, int]] | None:
        """Each sample's time, rows as rows.READING packs them, and how many; None for a time that is out of bounds.

        Raises KeyError for a code that this meter has not sent before, ValueError for a time that is written otherwise
        and for a value that is implausible.
        """
        seconds, bounds, (always_low, always_high) = self._seconds, self._bounds, ALWAYS
        made = []
        for sample in message.samples:
            at, values = sample.at, sample.values
            at_us = seconds[at[:19]]
            rest = at[19:]
            if rest != "Z":
                if len(rest) != 8 or rest[0] != "." or rest[7] != "Z" or not (rest.isascii() and rest[1:7].isdigit()):
                    return None
                at_us += int(rest[1:7])
            if not earliest_us <= at_us <= latest_us or not 1 <= len(values) <= _MOST_VALUES:
                return None
            head = _HEAD(4, 8, at_us, 8)
            tails = [
                _TAIL(value, 4, series[code], 2, source)
                if always_low <= value <= always_high or bounds[code][0] <= value <= bounds[code][1]
                else _implausible(code)
                for code, value in values.items()
            ]
            made.append((at_us, head + head.join(tails), len(values)))
        return made


def _implausible(code: str) -> bytes:
    raise ValueError(code)
