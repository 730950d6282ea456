"""Good inputs: the goldens of specs and contract, the examples of the docs, what real code writes."""

import base64
import functools
import json
from decimal import Decimal
from pathlib import Path

from broker.errors import FrameError
from meters.specs.catalogue import catalogue
from meters.telegram import Wire
from meters.wires.dlms.telegram import carried
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.encode.dlms import encode_hdlc, encode_push_over_mbus, encode_wrapper
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.sml import SmlValue, encode_sml
from meters.wires.meter_key import MeterKey
from meters.wires.readers import read_all

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "data" / "contract"
KEY = MeterKey(bytes(range(16)), bytes(range(16, 32)))


@functools.cache
def telegrams(wire: Wire | None = None) -> tuple[bytes, ...]:
    """Goldens of the shipped specs that are in the repository itself, and the examples."""
    found = [path.read_bytes() for path in sorted((ROOT / "docs" / "examples").glob("*.bin"))] if wire is None else []
    for spec in catalogue():
        if wire in (None, spec.match.protocol):
            found += [data for golden in spec.goldens if (data := _octets(golden.frame))]
    if wire in (None, Wire.SML):
        values = [SmlValue("1-0:1.8.0", Decimal(12345), "Wh", scaler=-1, width=8)]
        found.append(encode_sml(b"\x0a\x01ISK\x00\x00\x00\x00\x01", values))
    if wire in (None, Wire.IEC62056_21):
        found.append(encode_iec62056(["0.0.0(12345678)", "1.8.0(000123.4*kWh)"], identification="LGZ4ZMF100AC.M23"))
    return tuple(dict.fromkeys(found))


@functools.cache
def messages() -> tuple[bytes, ...]:
    """DLMS messages in the clear, and in the TCP wrapper."""
    found = [carried(data).message for data in telegrams(Wire.DLMS) if read_one(data)]
    return tuple(dict.fromkeys([*found, *(encode_wrapper(message) for message in found)]))


def read_one(data: bytes) -> bool:
    """Whether the golden's frame is whole."""
    return any(not isinstance(one, FrameError) for one in read_all(Wire.DLMS, data))


@functools.cache
def ciphered() -> tuple[bytes, ...]:
    """Messages and P1 telegrams under a key, bare and in their framings."""
    title = b"TST\x10\x20\x30\x40\x50"
    plain = [*messages()[:6], *telegrams(Wire.P1)[:3]]
    found = [
        encode_ciphered(text, title, number, KEY, control=control)
        for number, text in enumerate(plain)
        for control in (0x20, 0x30, 0x10)
    ]
    return (*found, *(encode_hdlc(one, block_bytes=90) for one in found), *map(encode_push_over_mbus, found))


def contract(name: str) -> tuple[bytes, ...]:
    """The golden payload of a message."""
    return ((CONTRACT / f"{name}.json").read_bytes(),)


def sparkplug() -> tuple[bytes, ...]:
    """Payloads as Google's protobuf writes them."""
    vectors = json.loads((ROOT / "tests" / "data" / "sparkplug-vectors.json").read_text())
    return tuple(bytes.fromhex(one["hex"]) for one in vectors.values() if isinstance(one, dict))


@functools.cache
def specs() -> tuple[bytes, ...]:
    """The texts of some shipped specs."""
    return tuple(path.read_bytes() for path in sorted((ROOT / "meters" / "specs" / "products").glob("*.yaml"))[::4])


def _octets(frame: object) -> bytes:
    text, octets, packed = (getattr(frame, name, None) for name in ("text", "hex", "base64"))
    if text:
        return str(text).replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1", "replace")
    if octets:
        return bytes.fromhex("".join(str(octets).split()))
    return base64.b64decode(packed) if packed else b""
