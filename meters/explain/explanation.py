"""Explaining bytes: what they are, who says it, by which spec, what each record became, and what is wrong where."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from broker.errors import FrameError
from broker.wording import counted
from meters.decoding.engine import Decoded, decode
from meters.explain.context import around
from meters.explain.dlms import find_bare, find_dlms
from meters.explain.hints import shape_hints, whole_hints
from meters.explain.mbus import find_mbus
from meters.explain.modbus import by_registers, find_modbus
from meters.explain.outcome import outcomes, unmapped
from meters.explain.sml import find_sml
from meters.explain.text import find_text, seven_bits
from meters.explain.types import Explained, Fault, Hint, Piece, Reading, Step
from meters.specs.identify import Identifier
from meters.specs.match import Match, best, rank
from meters.specs.spec import Spec
from meters.telegram import Frame, Telegram, Wire
from meters.wires.mbus.link import begins_reply
from meters.wires.meter_key import MeterKey
from meters.wires.readers import parse
from meters.wires.sml_transport import ESCAPE, START

BEST: Final = 5
MAX_SALVAGE_BYTES: Final = 64 * 1024
"""Of bytes without any frame so many are searched."""
_SML_END: Final = ESCAPE + b"\x1a"
_SML_END_BYTES: Final = 8
_TEXTS: Final = (None, Wire.P1, Wire.IEC62056_21)
"""The text protocols, and what may be one."""
UNFRAMED: Final = "unframed"
"""The reason of a telegram that is read without its framing: no reading, whatever it says."""


def explain_frame(
    frame: Frame, specs: Sequence[Spec], own: Spec | None, identifier: Identifier, key: MeterKey | None = None
) -> Explained:
    """Explain a frame whose check is right; `own` is a spec to decode it by, whatever else fits.

    `identifier` has gathered the facts of the telegrams before it on the same port; `key` is its meter's.
    """
    piece = _piece(frame.data, frame.offset, frame.protocol, key)
    try:
        telegram = parse(frame, key)
    except FrameError as error:
        return _explained(piece, specs, own, identifier, error)
    piece = replace(piece, telegram=telegram, missing=_missing_parts(piece, frame))
    return _explained(piece, specs, own, identifier, None)


def explain_failure(error: FrameError, line: bytes, offset: int, specs: Sequence[Spec], own: Spec | None) -> Explained:
    """Explain a frame that failed, which stands at `offset` of the line; what it says is for explanation only."""
    data, wire = error.data, None
    if data.startswith(START):
        wire = Wire.SML
        # The framer leaves a CRC whose octets may start the next frame to that frame.
        end = data.rfind(_SML_END)
        if error.reason == "crc_mismatch" and end >= 0 and line.startswith(data, offset):
            data = line[offset : offset + max(len(data), end + _SML_END_BYTES)]
    return _explained(_piece(data, offset, wire), specs, own, Identifier(), error)


def salvage(data: bytes, wire: Wire | None = None) -> Piece | None:
    """Read bytes in which no framer finds anything: a telegram without its framing, None where there is none."""
    searched = data[:MAX_SALVAGE_BYTES]
    found = find_sml(searched, 0) if wire in (None, Wire.SML) else None
    if found is not None and found.telegram is not None:
        return found
    bare = find_bare(searched, 0) if wire in (None, Wire.DLMS) else None
    if bare is not None:
        return bare
    text = find_text(searched, 0, wire) if wire in _TEXTS else None
    return text or found


def explain_salvaged(piece: Piece, specs: Sequence[Spec], own: Spec | None) -> tuple[Explained, FrameError]:
    """Explain what `salvage` found, and the error that must stand where a reading would."""
    lacking = ", ".join(piece.missing) or "a whole telegram"
    detail = f"read for explanation only, without {lacking}"
    failed = [check for check in piece.checks if not check.holds and check.stated is not None]
    if failed:
        detail += f"; {failed[0].name} is {failed[0].stated}, computed {failed[0].computed}"
    place = piece.fault_at if piece.fault_at is not None else piece.offset
    error = FrameError(UNFRAMED, detail, offset=place, data=piece.data)
    return _explained(piece, specs, own, Identifier(), error), error


def explain_nothing(data: bytes) -> Explained:
    """Explain bytes that hold no telegram at all: what they look like."""
    fault = Fault("no_telegram", "no telegram of a protocol that Wattline reads is in these bytes", 0, around(data, 0))
    return Explained(0, len(data), "none", (), (), fault, whole_hints(data))


def _piece(data: bytes, offset: int, wire: Wire | None, key: MeterKey | None = None) -> Piece:
    """What the reader for explanation finds in bytes; an empty piece where it finds nothing."""
    found = find_modbus(data, offset) if wire is Wire.MODBUS else None
    if found is None and (wire is Wire.MBUS or (wire is None and begins_reply(data))):
        found = find_mbus(data, offset)
    if found is None and wire in (None, Wire.SML):
        found = find_sml(data, offset)
    if found is None and wire in (None, Wire.DLMS, Wire.P1):
        found = find_dlms(data, offset, key)
    if found is None and wire in _TEXTS:
        found = find_text(data, offset, wire)
    return found or Piece(data, offset, "an identification line" if data[:1] in (b"/", b"\xaf") else "unknown")


def _missing_parts(piece: Piece, frame: Frame) -> list[str]:
    """What a frame lacks that the readers took although the agent would not: a data block on its own."""
    if frame.protocol is not Wire.IEC62056_21 or frame.data[:1] in (b"/", b"\xaf", b"\x02", b"\x82"):
        return []
    return piece.missing or ["STX before the data block", "ETX and the block check behind the data block"]


def _explained(
    piece: Piece, specs: Sequence[Spec], own: Spec | None, identifier: Identifier, error: FrameError | None
) -> Explained:
    reading = _reading(piece, specs, own, identifier) if piece.telegram is not None else None
    fault = _fault(piece, error) if error is not None else None
    hints = list(piece.hints)
    if error is not None:
        hints += _torn(piece, error)
        if reading is None and not piece.recognised:
            hints += shape_hints(piece.data)
    checks = tuple(piece.checks)
    # A good frame lacks nothing that its protocol's reader wants; a failed one is named by its fault.
    missing = tuple(piece.missing)
    return Explained(piece.offset, len(piece.data), piece.framing, missing, checks, fault, _distinct(hints), reading)


def _reading(piece: Piece, specs: Sequence[Spec], own: Spec | None, identifier: Identifier) -> Reading | None:
    telegram = piece.telegram
    if telegram is None:
        return None
    identity = identifier.add(telegram)
    ranked = rank(specs, identity)
    chosen = own or (ranked[0].spec if ranked else None)
    if own is not None and (match := best([own], identity)) is not None:
        ranked = [match, *(one for one in ranked if one.spec.ref != own.ref)]
    if chosen is None:
        refusal = f"none of {counted(len(specs), 'spec')} matches"
        return Reading(telegram, (), None, None, refusal, _steps(piece, telegram, []), ())
    decoded: Decoded | None = None
    refusal = ""
    try:
        decoded = decode(chosen, telegram)
    except FrameError as error:
        refusal = f"{error.reason}: {error.detail}"
    piece = by_registers(piece, chosen)
    telegram = piece.telegram or telegram
    became = outcomes(chosen, telegram, decoded)
    steps = _steps(piece, telegram, became)
    return Reading(telegram, _top(ranked), chosen.ref, decoded, refusal, steps, unmapped(telegram, became))


def _top(ranked: Iterable[Match]) -> tuple[Match, ...]:
    """The best specs, of each name the newest version only."""
    found: dict[str, Match] = {}
    for match in ranked:
        found.setdefault(match.spec.name, match)
    return tuple(found.values())[:BEST]


def _steps(piece: Piece, telegram: Telegram, became: list[str]) -> tuple[Step, ...]:
    outcome = {id(record): text for record, text in zip(telegram.records, became, strict=False)}
    by_key = {(record.address, record.index): text for record, text in zip(telegram.records, became, strict=False)}
    steps = []
    for offset, length, raw, records in piece.places:
        texts = tuple(outcome.get(id(r)) or by_key.get((r.address, r.index), "") for r in records)
        steps.append(Step(offset, length, raw, records, texts))
    return tuple(steps)


def _fault(piece: Piece, error: FrameError) -> Fault:
    """The failure at the nearest byte known: a flipped bit's, a bad field's, the stated check's, or the end's."""
    flipped = [hint.offset for hint in piece.hints if hint.cause == "bit_flip" and hint.offset is not None]
    failed = [check for check in piece.checks if not check.holds]
    detail = error.detail
    if error.reason.endswith("mismatch") and failed:
        first = failed[0]
        detail = f"{first.name} is stated as {first.stated}, computed {first.computed}"
        place = flipped[0] if len(set(flipped)) == 1 else first.offset
    elif error.reason == "truncated":
        place = piece.offset + len(piece.data)
    elif piece.fault_at is not None:
        place = piece.fault_at
    else:
        place = piece.offset + min(error.offset, len(piece.data)) if error.reason != UNFRAMED else error.offset
    shown = around(piece.data, place - piece.offset, seven_bits=seven_bits(piece.data)[1])
    return Fault(error.reason, detail, place, replace(shown, offset=shown.offset + piece.offset))


def _torn(piece: Piece, error: FrameError) -> list[Hint]:
    """Where a telegram's head or tail is lost."""
    hints = []
    if piece.fault_at is not None and error.reason == "crc_mismatch":
        hints.append(Hint("broken_field", "from here on the fields make no sense", piece.fault_at))
    end = piece.offset + len(piece.data)
    if error.reason == "truncated":
        last = max((place + length for place, length, _, _ in piece.places), default=None)
        after = f"; the last whole record ends at byte {last}" if last is not None else ""
        hints.append(Hint("tail_lost", f"the bytes end at {end} before the telegram does{after}", end))
    if error.reason == UNFRAMED:
        if any("start" in what or "header" in what or "STX" in what or "`/`" in what for what in piece.missing):
            hints.append(Hint("head_lost", "the first bytes are missing: the capture began in mid-telegram, or a tool"
                              " stripped them", piece.offset))  # fmt: skip
        if any("end" in what or "ETX" in what for what in piece.missing):
            hints.append(Hint("tail_lost", "the last bytes are missing: capture a whole interval of the meter", end))
    return hints


def _distinct(hints: list[Hint]) -> tuple[Hint, ...]:
    return tuple(dict.fromkeys(hints))
