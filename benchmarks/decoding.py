"""Decoding alone: how many telegrams of each protocol one core frames, parses and decodes in a second."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.report import DecodeResult
from broker.errors import FrameError
from meters.decoding.engine import Decoded, decode
from meters.decoding.goldens import frame_bytes
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec
from meters.telegram import Telegram, Wire
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.meter_key import MeterKey
from meters.wires.readers import read_all

LEAST_S = 1.0
"""How long each is measured at least."""
LINE_BYTES_S = {
    Wire.P1: 11_520.0,
    Wire.SML: 960.0,
    Wire.IEC62056_21: 960.0,
    Wire.DLMS: 240.0,
    Wire.MBUS: 240.0,
    Wire.MODBUS: 960.0,
}
"""What a line of the protocol's usual speed carries in a second (docs/METERS.md)."""
_KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes as they stand on a line, and the spec and key by which they are read."""

    spec: Spec
    data: bytes
    key: MeterKey | None = None

    def read(self) -> Iterator[Decoded]:
        """What its telegrams say."""
        for found in read_all(self.spec.match.protocol, self.data, self.spec.decode.crc, key=self.key):
            if isinstance(found, Telegram):
                yield decode(self.spec, found)


def measure_decoding(least_s: float = LEAST_S) -> dict[str, DecodeResult]:
    """Every golden of the catalogue that can be decoded, over and over, by protocol; P1 encrypted as well.

    The limit beside each is `json.loads` of the same readings: what a reader of ready-made JSON would take at least.
    """
    samples: dict[str, list[Sample]] = {wire.value: [] for wire in Wire}
    for spec in catalogue():
        samples[spec.match.protocol.value] += _decodable(spec)
    samples["p1 encrypted"] = [_encrypted(one, number) for number, one in enumerate(samples[Wire.P1.value])]
    return {name: _measured(some, least_s) for name, some in samples.items()}


def _decodable(spec: Spec) -> Iterator[Sample]:
    for golden in spec.goldens:
        data = frame_bytes(golden, None)
        if golden.error is not None or data is None:
            continue
        sample = Sample(spec, data)
        try:
            readable = any(one.samples for one in sample.read())
        except FrameError:
            # only a golden's one telegram must be readable
            continue
        if readable:
            yield sample


def _encrypted(clear: Sample, number: int) -> Sample:
    """The same telegram, as a meter with a key sends it."""
    key = MeterKey(_KEY)
    return Sample(clear.spec, encode_ciphered(clear.data, b"WTL" + number.to_bytes(5), 1, key), key)


def _measured(samples: list[Sample], least_s: float) -> DecodeResult:
    found = [list(one.read()) for one in samples]
    texts = [_as_json(decoded) for some in found for decoded in some]
    seconds = _seconds_a_round(lambda: [list(one.read()) for one in samples], least_s)
    limit_s = _seconds_a_round(lambda: [json.loads(text) for text in texts], least_s / 4)
    octets = sum(len(one.data) for one in samples)
    return DecodeResult(
        telegrams=len(texts),
        telegrams_s=round(len(texts) / seconds, 1),
        readings_s=round(sum(len(one.values) for some in found for each in some for one in each.samples) / seconds, 1),
        bytes_s=round(octets / seconds, 1),
        ratio=round(limit_s / seconds, 4),
        lines=round(octets / seconds / LINE_BYTES_S[samples[0].spec.match.protocol], 1),
    )


def _as_json(decoded: Decoded) -> str:
    samples = [
        {"at": str(one.at), "values": {code: float(value) for code, value in one.values.items()}}
        for one in decoded.samples
    ]
    return json.dumps(samples)


def _seconds_a_round(work: Callable[[], object], least_s: float) -> float:
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < least_s:
        work()
        rounds += 1
    return (time.perf_counter() - began) / rounds
