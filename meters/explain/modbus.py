"""Modbus exchanges read for explanation: requests and replies with their CRCs, and each register by the spec's map."""

from dataclasses import replace
from typing import Final

from broker.errors import FrameError
from broker.wording import counted
from meters.decoding.registers import placed
from meters.explain.types import Check, Hint, Piece
from meters.specs.spec import Spec
from meters.telegram import Frame, Record, Wire
from meters.wires.modbus.frames import EXCEPTIONS, exchanges, request_bytes
from meters.wires.modbus.identity import IDENTIFYING
from meters.wires.modbus.telegram import parse_modbus

_CRC_BYTES: Final = 2
_BEFORE_DATA: Final = 3


def find_modbus(data: bytes, offset: int) -> Piece | None:
    """Explain bytes as exchanges, `offset` being their place in the input; None where they are none."""
    try:
        done = exchanges(data)
    except FrameError:
        return None
    piece = Piece(data, offset, f"Modbus RTU, unit {done[0].unit}, {counted(len(done), 'read')}")
    for one in done:
        reply = one.start + request_bytes(one.read)
        for what, start, end in (("request", one.start, reply), ("reply", reply, one.end)):
            stated = data[end - _CRC_BYTES : end].hex()
            name = f"CRC of the {what} {one.read.name}"
            place = offset + end - _CRC_BYTES
            piece.checks.append(Check(name, stated, stated, True, place, (offset + start, place)))
        if one.exception:
            why = EXCEPTIONS.get(one.exception, f"exception {one.exception}")
            piece.hints.append(Hint("exception", f"{one.read.name}: the unit answers with {why}", offset + one.start))
    try:
        piece.telegram = parse_modbus(Frame(Wire.MODBUS, data, offset))
    except FrameError:
        return piece
    values = [one for one in done if not one.exception and one.read not in IDENTIFYING]
    for one, record in zip(values, piece.telegram.records, strict=True):
        start = offset + one.start + request_bytes(one.read)
        piece.places.append((start, offset + one.end - start, one.data.hex(), (record,)))
    return piece


def by_registers(piece: Piece, spec: Spec) -> Piece:
    """The piece with a place for each register of the spec, in place of whole replies."""
    if piece.telegram is None or piece.telegram.protocol is not Wire.MODBUS or spec.registers is None:
        return piece
    found = placed(spec.registers, piece.telegram)
    if not found:
        return piece
    places: list[tuple[int, int, str, tuple[Record, ...]]] = [
        (piece.places[one.block][0] + _BEFORE_DATA + one.first, len(one.octets), one.octets.hex(), (one.record,))
        for one in found
    ]
    return replace(piece, telegram=replace(piece.telegram, records=tuple(one.record for one in found)), places=places)
