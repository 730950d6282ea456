"""P1 telegrams as meters send them (DSMR P1 5.2)."""

from collections.abc import Iterable

from meters.iec62056_text import crc16


def encode_p1(
    header: str, lines: Iterable[str], *, crc: bool = True, lower: bool = False, unpadded: bool = False
) -> bytes:
    """A telegram of a header (its slash may be left out) and its data lines.

    `crc` False is DSMR 2 and 3; `lower` and `unpadded` write the CRC as some meters do.
    """
    body = "\r\n".join([header if header.startswith("/") else f"/{header}", "", *lines, "!"]).encode("latin-1")
    if not crc:
        return body + b"\r\n"
    stated = f"{crc16(body):X}" if unpadded else f"{crc16(body):04X}"
    return body + (stated.lower() if lower else stated).encode() + b"\r\n"
