"""SML read for explanation: messages and entries with their places, every CRC, and what a torn file still says."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from broker.errors import FrameError
from meters.explain.bit_flips import X25, Flip, flips
from meters.explain.types import Check, Hint, Piece
from meters.telegram import Frame, Wire
from meters.wires.encode.sml import integer, octets, sequence, transport
from meters.wires.sml import parse_sml
from meters.wires.sml_transport import ESCAPE, START, crc_fits, crc_kermit, crc_x25
from meters.wires.sml_tree import Node, head, read

_END: Final = re.compile(rb"\x1b\x1b\x1b\x1b\x1a[\x00-\x03]")
_END_BYTES: Final = 8
_MESSAGE: Final = re.compile(rb"\x76[\x01-\x0f]")
_ENTRY: Final = re.compile(rb"\x77\x07")
_NAMES: Final = {0x0101: "open", 0x0201: "close", 0x0701: "GetList", 0xFF01: "attention"}
_MAX_ENTRIES: Final = 4096
_MAX_ENTRY_BYTES: Final = 1024
_MAX_TRIES: Final = 2048
"""False starts that are examined; beyond them the bytes are no SML, and nobody may keep a reader busy with them."""
_MESSAGE_TRIES: Final = 64
_LIST: Final = 0x70


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a file: places in its payload, and its CRC as octets of the wire."""

    start: int
    covered_to: int
    end: int
    tag: int
    stated: int
    stated_at: int


@dataclass
class Layout:
    """The payload of a file, without escapes, and how its places map to those of the input."""

    payload: bytes
    base: int
    cuts: list[int] = field(default_factory=list)
    """Places in the payload behind which four octets of escape were left out."""

    def place(self, at: int) -> int:
        """The place in the input of a byte of the payload."""
        return self.base + at + len(ESCAPE) * bisect_left(self.cuts, at)


def find_sml(data: bytes, offset: int) -> Piece | None:
    """Explain bytes as SML, `offset` being their place in the input; None where there is no message and no entry."""
    piece = Piece(data, offset, "SML transport version 1")
    framed = data.startswith(START)
    end = _file_end(data)
    inner_from = len(START) if framed else 0
    inner_to = end if end is not None else len(data)
    layout = _unescape(data[inner_from:inner_to], offset + inner_from)
    messages, torn_at = _messages(layout.payload)
    entries, server_id = _entries(layout.payload)
    if not entries and not messages:
        return None
    if not framed:
        piece.missing.append("the start sequence 1b1b1b1b 01010101")
    if end is None:
        piece.missing.append("the end sequence 1b1b1b1b 1a and its CRC")
    if not framed and end is None:
        piece.framing = "SML messages without transport" if messages else "a part of an SML message"
    if not any(message.tag == 0x0701 for message in messages) and entries:
        piece.missing.append("a whole GetList message")
    if torn_at is not None:
        piece.fault_at = layout.place(torn_at)
    _check_file(piece, end, framed=framed)
    _check_messages(piece, layout, messages)
    _read_entries(piece, layout, entries, server_id)
    return piece


def _file_end(data: bytes) -> int | None:
    """Where the end sequence begins: the last one, with room for its CRC."""
    found = None
    for match in _END.finditer(data):
        if match.start() + _END_BYTES <= len(data):
            found = match.start()
    return found


def _unescape(inner: bytes, base: int) -> Layout:
    payload, cuts, at = bytearray(), [], 0
    while (found := inner.find(ESCAPE + ESCAPE, at)) >= 0:
        payload += inner[at : found + len(ESCAPE)]
        # Places up to the first escape stay; what follows the second one moves.
        cuts.append(len(payload) - 1)
        at = found + 2 * len(ESCAPE)
    payload += inner[at:]
    return Layout(bytes(payload), base, cuts)


def _messages(payload: bytes) -> tuple[list[Message], int | None]:
    """All whole messages, also behind a torn one; and the place of the first field that is no SML."""
    found: list[Message] = []
    torn_at: int | None = None
    at = 0
    while at < len(payload):
        if payload[at] == 0x00:
            at += 1
            continue
        try:
            message = _message(payload, at)
        except FrameError as error:
            torn_at = error.offset if torn_at is None else torn_at
            starts = (match.start() for match in islice(_MESSAGE.finditer(payload, at + 1), _MESSAGE_TRIES))
            following = next((start for start in starts if _whole(payload, start)), None)
            if following is None:
                break
            at = following
            continue
        found.append(message)
        at = message.end
    return found, torn_at


def _whole(payload: bytes, at: int) -> bool:
    try:
        _message(payload, at)
    except FrameError:
        return False
    return True


def _message(data: bytes, start: int) -> Message:
    kind, count, at = head(data, start)
    if kind != _LIST or count != 6:
        raise FrameError("malformed", "no SML message", offset=start)
    for _ in range(3):
        _, at = read(data, at, 1)
    kind, count, at = head(data, at)
    if kind != _LIST or count != 2:
        raise FrameError("malformed", "no message body", offset=at)
    tag, at = read(data, at, 2)
    _, covered_to = read(data, at, 2)
    stated, end = read(data, covered_to, 1)
    if not isinstance(stated, int) or isinstance(stated, bool) or not 0 <= stated <= 0xFFFF:
        raise FrameError("malformed", "no CRC behind the message", offset=covered_to)
    if data[end : end + 1] != b"\x00":
        raise FrameError("malformed", "no end of message", offset=end)
    width = end - covered_to - 1
    return Message(start, covered_to, end + 1, tag if isinstance(tag, int) else 0, stated, end - width)


def _check_file(piece: Piece, end: int | None, *, framed: bool) -> None:
    if end is None:
        return
    data = piece.data if framed else START + piece.data
    moved = 0 if framed else len(START)
    covered = data[: end + moved + 6]
    stated = int.from_bytes(data[end + moved + 6 : end + moved + 8], "big")
    how = "" if framed else "with the start sequence put back"
    cover = (piece.offset, piece.offset + end + 6)
    check = _crc("CRC of the file", covered, stated, piece.offset + end + 6, cover, how)
    piece.checks.append(check)
    if not check.holds:
        for flip in _flips(covered, stated):
            place = flip.place - moved
            if place >= 0:
                piece.hints.append(_flip_hint(piece.data[place], piece.offset + place, flip.mask, "the file's CRC"))


def _check_messages(piece: Piece, layout: Layout, messages: list[Message]) -> None:
    for number, message in enumerate(messages, 1):
        covered = layout.payload[message.start : message.covered_to]
        cover = layout.place(message.start), layout.place(message.covered_to)
        name = f"CRC of message {number} ({_NAMES.get(message.tag, f'0x{message.tag:04x}')})"
        check = _crc(name, covered, message.stated, layout.place(message.stated_at), cover)
        piece.checks.append(check)
        if not check.holds:
            for flip in _flips(covered, message.stated):
                place = layout.place(message.start + flip.place)
                octet = covered[flip.place]
                piece.hints.append(_flip_hint(octet, place, flip.mask, f"the CRC of message {number}"))


def _crc(name: str, covered: bytes, stated: int, offset: int, cover: tuple[int, int], how: str = "") -> Check:
    return Check(name, f"{stated:04x}", f"{crc_x25(covered):04x}", crc_fits(covered, stated), offset, cover, how)


def _flips(covered: bytes, stated: int) -> list[Flip]:
    difference = stated ^ crc_x25(covered)
    found = list(flips(X25, (difference & 0xFF) << 8 | difference >> 8, len(covered)))
    if not found:
        kermit = stated ^ crc_kermit(covered)
        found = list(flips(X25, (kermit & 0xFF) << 8 | kermit >> 8, len(covered)))
    return found


def _flip_hint(octet: int, offset: int, mask: int, check: str) -> Hint:
    text = f"one flipped bit would explain it: with {octet:02x} turned to {octet ^ mask:02x} {check} is right"
    return Hint("bit_flip", text, offset)


def _entries(payload: bytes) -> tuple[list[tuple[int, int]], bytes]:
    """Start and end of each whole entry of a list of values, wherever it stands, and the server id before the first."""
    found: list[tuple[int, int]] = []
    at = tries = 0
    while len(found) < _MAX_ENTRIES and tries < _MAX_TRIES and (match := _ENTRY.search(payload, at)) is not None:
        start = match.start()
        at = start + 1
        try:
            node, length = read(payload[start : start + _MAX_ENTRY_BYTES], 0, 4)
        except FrameError:
            tries += 1
            continue
        if _is_entry(node):
            found.append((start, start + length))
            at = start + length
    return found, _server_id(payload[: found[0][0]] if found else payload)


def _is_entry(node: Node) -> bool:
    if not isinstance(node, list) or len(node) != 7:
        return False
    unit, scaler = node[3], node[4]
    return (unit is None or isinstance(unit, int)) and (
        scaler is None or (isinstance(scaler, int) and -64 <= scaler <= 64)
    )


def _server_id(before: bytes) -> bytes:
    """The last octet string that looks like a server id (`0a 01`, `09 01`, `06`) in what precedes the list."""
    for pattern in (rb"\x0b[\x09\x0a]\x01[A-Za-z]{3}.{5}", rb"\x0b\x06[A-Za-z]{3}.{6}", rb"[\x08-\x0b]\x06[A-Za-z]{3}"):
        match = re.search(pattern, before, re.DOTALL)
        if match is not None and match.start() + before[match.start()] <= len(before):
            return before[match.start() + 1 : match.start() + before[match.start()]]
    return b""


def _read_entries(piece: Piece, layout: Layout, entries: list[tuple[int, int]], server_id: bytes) -> None:
    """The telegram that the regular reader makes of the entries alone, put into a file whose CRCs are right."""
    if not entries:
        return
    raw = [layout.payload[start:end] for start, end in entries]
    listed = sequence(b"\x01", octets(server_id) if server_id else b"\x01", b"\x01", b"\x01", sequence(*raw), b"\x01",
                      b"\x01")  # fmt: skip
    covered = b"\x76\x02\x00\x62\x00\x62\x00" + sequence(integer(0x0701, 2), listed)
    message = covered + integer(crc_x25(covered), 2) + b"\x00"
    try:
        telegram = parse_sml(Frame(Wire.SML, transport(message), piece.offset))
    except FrameError:
        return
    piece.telegram = telegram
    if len(telegram.records) == len(entries):
        piece.places = [
            (layout.place(start), layout.place(end - 1) + 1 - layout.place(start), text.hex(), (record,))
            for (start, end), text, record in zip(entries, raw, telegram.records, strict=True)
        ]
