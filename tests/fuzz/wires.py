"""Frames of each protocol: framing, parsing, identification, decoding, explaining, drafting."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from click.testing import CliRunner

from broker.errors import FrameError
from broker.messages import Clock
from meters.catalogue import catalogue
from meters.decode_cli import decode as decode_command
from meters.decode_lines import Decoding
from meters.draft import propose
from meters.draft_seen import RawFrame
from meters.encode.sml import transport
from meters.engine import decode
from meters.identify import Identifier, sub_meters
from meters.iec62056_text import block_check, crc16
from meters.match import rank
from meters.other_protocols import recognise
from meters.readers import AnyFramer, make_framer, parse
from meters.sml_transport import ESCAPE, START, crc_x25
from meters.stamping import Received, stamped, standing, zone_off_h
from meters.telegram import Frame, Wire
from tests.fuzz import seeds
from tests.fuzz.registry import Try, target

NOW: Final = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def _p1_mended(data: bytes) -> bytes:
    body, mark, _ = data.rpartition(b"!")
    return body + mark + f"{crc16(body + mark):04X}\r\n".encode() if mark else data


def _iec_mended(data: bytes) -> bytes:
    start, end = data.find(b"\x02"), data.rfind(b"\x03")
    return data[: end + 1] + bytes([block_check(data[start + 1 : end + 1])]) if 0 <= start < end else data


def _sml_mended(data: bytes) -> bytes:
    """The file's own CRC, and those of its messages where they end as messages do (63, CRC, 00)."""
    inner = data.removeprefix(START).rpartition(ESCAPE + b"\x1a")[0].rstrip(b"\x00").replace(ESCAPE + ESCAPE, ESCAPE)
    parts, messages = inner.split(b"\x00\x76"), bytearray()
    for number, part in enumerate(parts):
        whole = bytearray((b"\x76" if number else b"") + part)
        if len(whole) > 3 and whole[-3] == 0x63:
            whole[-2:] = crc_x25(bytes(whole[:-3])).to_bytes(2, "little")
        messages += whole + b"\x00"
    return transport(bytes(messages), crc_x25)


MENDS: Final[dict[Wire, Callable[[bytes], bytes]]] = {
    Wire.P1: _p1_mended,
    Wire.IEC62056_21: _iec_mended,
    Wire.SML: _sml_mended,
}


def understand(frame: Frame, identifier: Identifier) -> None:
    """All that an agent makes of a frame: facts, spec, readings, times. Raises FrameError."""
    telegram = parse(frame)
    identity = identifier.add(telegram)
    sub_meters(telegram)
    received = Received(NOW, Clock.SYNCED)
    for match in rank(catalogue(), identity)[:3]:
        with suppress(FrameError):
            decoded = decode(match.spec, telegram, zone="Europe/Vilnius", near=NOW)
            standing(match.spec, decoded, received)
            zone_off_h(match.spec, decoded, received, "")
            list(stamped("TST:1", match.spec, decoded, received))


def _wire(wire: Wire) -> None:
    @target(f"frames-{wire}", lambda: seeds.telegrams(wire), share=6, mend=MENDS[wire])
    def make() -> Try:
        def attempt(data: bytes) -> None:
            framer, identifier = make_framer(wire, any_crc=len(data) % 2 == 0), Identifier()
            half = len(data) // 2
            for item in (*framer.feed(data[:half]), *framer.feed(data[half:]), *framer.finish()):
                if isinstance(item, Frame):
                    with suppress(FrameError):
                        understand(item, identifier)

        return attempt


for _each in Wire:
    _wire(_each)


def _any_mended(data: bytes) -> bytes:
    return MENDS[random.Random(len(data)).choice(list(Wire))](data)


@target("frames-any", seeds.telegrams, share=4, mend=_any_mended)
def _any() -> Try:
    def attempt(data: bytes) -> None:
        framer, identifier = AnyFramer(bare=len(data) % 2 == 0), Identifier()
        for item in (*framer.feed(data), *framer.finish()):
            if isinstance(item, Frame):
                with suppress(FrameError):
                    understand(item, identifier)

    return attempt


@target("other-protocols", seeds.telegrams)
def _others() -> Try:
    def attempt(data: bytes) -> None:
        recognise(data)

    return attempt


@target("explain", seeds.telegrams, share=1, mend=_any_mended)
def _explain() -> Try:
    specs = catalogue()

    def attempt(data: bytes) -> None:
        for found in Decoding(specs, explaining="all", explain_at_most=20).found(data):
            if found.explained is not None:
                found.explained.document(walk=True)

    return attempt


@target("draft", seeds.telegrams, share=1, mend=_any_mended)
def _draft() -> Try:
    def attempt(data: bytes) -> None:
        propose([RawFrame(data), RawFrame(data[::-1])])

    return attempt


def _dressed() -> tuple[bytes, ...]:
    found = []
    for data in seeds.telegrams()[::3]:
        octets = data.hex()
        lines = [f"{at:08x}: {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16)]
        found += [
            octets.encode(),
            "\n".join(lines).encode(),
            ",".join(f"0x{octet:02x}" for octet in data).encode(),
            data,
        ]
    return tuple(found)


@target("decode-hex", _dressed, share=1)
def _decode_hex() -> Try:
    runner = CliRunner()

    def attempt(data: bytes) -> None:
        text = data.decode("latin-1").replace("\x00", "0")
        for flag in ("--json", "--explain"):
            result = runner.invoke(decode_command, [flag, "--hex", text or "0"])
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception

    return attempt
