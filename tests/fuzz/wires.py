"""Frames of each protocol: framing, parsing, identification, decoding, explaining, drafting."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from click.testing import CliRunner

from broker.contract.messages import Clock
from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.rfc2217 import Rfc2217
from meters.decoding.engine import decode
from meters.decoding.event_log import log_entries
from meters.decoding.stamping import Received, clock_state, stamped, zone_off_h
from meters.drafts.draft import propose
from meters.drafts.survey import RawFrame
from meters.explain.cli import decode as decode_command
from meters.explain.lines import Decoding
from meters.specs.catalogue import catalogue
from meters.specs.identify import Identifier, sub_meters
from meters.specs.match import rank
from meters.telegram import Frame, Wire
from meters.wires.dlms.telegram import telegram_of
from meters.wires.dlms.wrapper import WrapperFramer
from meters.wires.encode.sml import transport
from meters.wires.mbus.link import LONG, STOP
from meters.wires.modbus.frames import reply_length, request_at, rtu
from meters.wires.other_protocols import recognise
from meters.wires.readers import AnyFramer, make_framer, parse, read_all
from meters.wires.sml_transport import ESCAPE, START, crc_x25
from meters.wires.text.checks import block_check, crc16
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


def _mbus_mended(data: bytes) -> bytes:
    """The sum of each frame as far as frames stand one behind the other; the length of the last one, too."""
    mended, at = bytearray(), 0
    while len(data) > at + 6 and data[at] == LONG:
        body = data[at + 4 : at + 4 + data[at + 1]]
        if len(data) < at + len(body) + 6:
            body = data[at + 4 : -2][:255]
        mended += bytes((LONG, len(body), len(body), LONG)) + body + bytes((sum(body) & 0xFF, STOP))
        at += len(body) + 6
    return bytes(mended) or data


def _dlms_mended(data: bytes) -> bytes:
    """Lengths and both check sequences of what stands between flags, or the sum of frames of M-Bus."""
    if data[:1] == b"\x68":
        parts = [part for part in data.split(b"\x16\x68")[:64] if len(part) > 9]
        bodies = [part[-(len(part) - 4) :][:2000] for part in parts]
        return b"".join(
            bytes((0x68, len(body) & 0xFF, len(body) & 0xFF, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
            for body in bodies
        )
    frames = []
    for part in [part for part in data.split(b"\x7e") if len(part) > 9][:64]:
        information = part[7:-2][:2000]
        head = ((part[0] & 0x08 | 0xA0) << 8 | len(information) + 9).to_bytes(2) + b"\x41\x03\x13"
        head += crc_x25(head).to_bytes(2)
        frames.append(b"\x7e" + head + information + crc_x25(head + information).to_bytes(2) + b"\x7e")
    return b"".join(frames)


def _modbus_mended(data: bytes) -> bytes:
    """The CRC of each request and of the reply behind it, as far as they stand one behind the other."""
    mended, at = bytearray(), 0
    while (asked := request_at(rtu(data[at : at + 6]), 0)) is not None:
        end = at + 8 + reply_length(asked[1], data[at + 8 :])
        mended += rtu(data[at : at + 6]) + rtu(data[at + 8 : end - 2])
        if end <= at + 8 or end >= len(data):
            break
        at = end
    return bytes(mended) or data


MENDS: Final[dict[Wire, Callable[[bytes], bytes]]] = {
    Wire.P1: _p1_mended,
    Wire.IEC62056_21: _iec_mended,
    Wire.SML: _sml_mended,
    Wire.DLMS: _dlms_mended,
    Wire.MBUS: _mbus_mended,
    Wire.MODBUS: _modbus_mended,
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
            clock_state(match.spec, decoded, received)
            zone_off_h(match.spec, decoded, received, "")
            list(stamped("TST:1", match.spec, decoded, received))
        if match.spec.event_log is not None:
            log_entries(telegram.log or telegram.profile, match.spec.event_log, "Europe/Vilnius")


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


@target("dlms-message", seeds.messages, share=6)
def _message() -> Try:
    """Messages as they come out of a ciphered one: no check stands before them."""
    identifier = Identifier()

    def attempt(data: bytes) -> None:
        framer = WrapperFramer()
        for item in (*framer.feed(data[:9]), *framer.feed(data[9:]), *framer.finish()):
            if isinstance(item, Frame):
                with suppress(FrameError):
                    understand(item, identifier)
        with suppress(FrameError):
            telegram_of(data, None)

    return attempt


@target("ciphered", seeds.ciphered, share=4)
def _ciphered() -> Try:
    """What comes out of bytes that the meter's key deciphers to anything."""
    key = seeds.KEY

    def attempt(data: bytes) -> None:
        for wire in (Wire.DLMS, Wire.P1):
            for _ in read_all(wire, data, any_crc=True, key=key):
                pass
        with suppress(FrameError):
            telegram_of(data, key)

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


def _conversations() -> tuple[bytes, ...]:
    """What a serial server says: options, settings that it took and did not take, and a line's octets."""
    took = b"".join(bytes((255, 250, 44, 100 + one, value, 255, 240)) for one, value in ((2, 7), (3, 3), (4, 1)))
    offers = bytes((255, 253, 44, 255, 251, 0, 255, 251, 1, 255, 253, 24))
    return (offers + took + b"/ISK5\\2M\r\n", offers + Rfc2217.escape(bytes(range(256))))


@target("telnet", _conversations)
def _telnet() -> Try:
    def attempt(data: bytes) -> None:
        telnet = Rfc2217()
        telnet.start(LineSettings(9600, 7, "E"))
        for piece in (data[:7], data[7:]):
            telnet.feed(piece)

    return attempt
