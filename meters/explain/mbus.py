"""M-Bus replies read for explanation: each frame's sum, each data record with its place, also in torn ones."""

from typing import Final

from broker.errors import FrameError
from meters.explain.types import Check, Hint, Piece
from meters.telegram import Frame, Record, Wire
from meters.wires.mbus.link import LONG, STOP, long
from meters.wires.mbus.records import HEADS, read_records
from meters.wires.mbus.telegram import parse_mbus

_HEAD: Final = 4
_FIRST: Final = 3
"""Control, address and CI precede the data."""


def find_mbus(data: bytes, offset: int) -> Piece | None:
    """Explain bytes as M-Bus replies, `offset` being their place in the input; None where they begin otherwise."""
    piece = Piece(data, offset, "M-Bus, variable data")
    at, bodies = 0, []
    while (body := _body(data, at)) is not None:
        _check(piece, at, body)
        bodies.append((at + _HEAD, body))
        at += data[at + 1] + 6
    if not bodies:
        return None
    if at > len(data):
        piece.missing.append("the end of the frame: its length says more than there is")
    if len(bodies) > 1:
        piece.framing += f" in {len(bodies)} frames"
    _read(piece, bodies)
    return piece


def _body(data: bytes, at: int) -> bytes | None:
    """Control to the last octet of the data of the frame that begins here, as far as it came."""
    head = data[at : at + _HEAD]
    if len(head) < _HEAD or head[0] != LONG or head[3] != LONG or head[1] != head[2]:
        return None
    body = data[at + _HEAD : at + _HEAD + head[1]]
    return body if len(body) >= _FIRST else None


def _check(piece: Piece, at: int, body: bytes) -> None:
    end = at + _HEAD + len(body)
    stated = piece.data[end : end + 1]
    computed = f"{sum(body) & 0xFF:02x}"
    start = piece.offset + at + _HEAD
    holds = stated.hex() == computed
    piece.checks.append(
        Check("checksum of the frame", stated.hex() or None, computed, holds, piece.offset + end,
              (start, piece.offset + end))
    )  # fmt: skip
    if stated and not holds and ((stated[0] - sum(body)) & 0xFF).bit_count() in (1, 7):
        piece.hints.append(Hint("bit_flip", "one flipped bit would explain the sum, and no more can be said of where"))
    if stated and piece.data[end + 1 : end + 2] not in (b"", bytes((STOP,))):
        piece.fault_at = piece.offset + end + 1


def _read(piece: Piece, bodies: list[tuple[int, bytes]]) -> None:
    """The telegram of the whole records, in frames whose sums are right, and where each of them stands."""
    whole, places = b"", []
    for start, body in bodies:
        user = body[_FIRST:]
        if body[2] in HEADS:
            user, found = _whole_records(user, HEADS[body[2]])
            places += [(piece.offset + start + _FIRST + one, end - one, user[one:end].hex(" ")) for one, end in found]
        whole += long(body[0], body[1], body[2], user)
    try:
        piece.telegram = parse_mbus(Frame(Wire.MBUS, whole))
    except FrameError:
        return
    records: tuple[Record, ...] = piece.telegram.records
    if len(records) == len(places):
        piece.places = [(*place, (record,)) for place, record in zip(places, records, strict=True)]


def _whole_records(user: bytes, first: int) -> tuple[bytes, list[tuple[int, int]]]:
    """The data up to the last whole record, and start and end of each."""
    while True:
        try:
            found, _ = read_records(user, first)
        except FrameError as error:
            if error.offset <= first:
                return user[:first], []
            user = user[: error.offset]
            continue
        return user, [(one.start, one.end) for one in found]
