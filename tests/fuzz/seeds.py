"""Good inputs: the goldens of specs and contract, the examples of the docs, what real code writes."""

import base64
import functools
from decimal import Decimal
from pathlib import Path

from meters.catalogue import catalogue
from meters.encode.iec62056 import encode_iec62056
from meters.encode.sml import SmlValue, encode_sml
from meters.telegram import Wire

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "data" / "contract"


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


def contract(name: str) -> tuple[bytes, ...]:
    """The golden payload of a message."""
    return ((CONTRACT / f"{name}.json").read_bytes(),)


@functools.cache
def specs() -> tuple[bytes, ...]:
    """The texts of some shipped specs."""
    return tuple(path.read_bytes() for path in sorted((ROOT / "meters" / "specs").glob("*.yaml"))[::4])


def _octets(frame: object) -> bytes:
    text, octets, packed = (getattr(frame, name, None) for name in ("text", "hex", "base64"))
    if text:
        return str(text).replace("\r\n", "\n").replace("\n", "\r\n").encode("latin-1", "replace")
    if octets:
        return bytes.fromhex("".join(str(octets).split()))
    return base64.b64decode(packed) if packed else b""
