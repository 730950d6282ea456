"""P1 telegrams as meters send them (DSMR P1 5.2)."""

from collections.abc import Iterable

from meters.wires.p1_crc import variant
from meters.wires.text.checks import crc16


def encode_p1(
    header: str, lines: Iterable[str], *, crc: bool | str = True, lower: bool = False, unpadded: bool = False
) -> bytes:
    """A telegram of a header (its slash may be left out) and its data lines.

    `crc` False is DSMR 2 and 3, a text a variant of p1_crc; `lower` and `unpadded` write it as some meters do.
    """
    body = "\r\n".join([header if header.startswith("/") else f"/{header}", "", *lines, "!"]).encode("latin-1")
    if not crc:
        return body + b"\r\n"
    number = variant(crc, body) if isinstance(crc, str) else crc16(body)
    stated = f"{number:X}" if unpadded else f"{number:04X}"
    return body + (stated.lower() if lower else stated).encode() + b"\r\n"
