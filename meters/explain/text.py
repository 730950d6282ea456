"""P1 telegrams and IEC 62056-21 readouts read for explanation: data sets with their places, checks, what is missing."""

import re
from collections import defaultdict
from dataclasses import replace
from typing import Final

from broker.errors import FrameError
from meters.explain.bit_flips import ARC, flips
from meters.explain.types import Check, Hint, Piece
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.iec62056 import parse_iec62056
from meters.wires.p1 import parse_p1
from meters.wires.p1_crc import fitting, spelled
from meters.wires.text.checks import (
    as_sent,
    block_check,
    block_check_fits,
    crc16,
    crc_fits,
    crc_required,
    protocol_of,
)

ADDRESS: Final = re.compile(
    r"(?:[0-9]{1,3}-[0-9]{1,3}:)?[0-9]{1,3}\.[0-9A-F]{1,3}(?:\.[0-9]{1,3})?(?:[*&.][0-9]{1,3})?"
    r"|(?:[0-9]{1,3}-[0-9]{1,3}:)?[A-Z](?:\.[0-9A-Z]{1,3})+(?:[*&][0-9]{1,3})?"
)
_HEADER: Final = re.compile(rb"/([A-Za-z]{3}[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-'*-~]{1,96})\r*\n")
_HEADER_WITHOUT_SLASH: Final = re.compile(rb"[\r\n ]*([A-Za-z]{3}[0-9A-Za-z][\x02 -'*-~]{1,96})\r*\n")
_P1_END: Final = re.compile(rb"(?:^|[\n)])\s*!([0-9A-Fa-f]{1,4})?(?=\r|\n|\Z)")
_GAP: Final = re.compile(r"[\r\n]")
_ETX, _EOT, _STX = b"\x03", b"\x04", b"\x02"
_VALUE: Final = re.compile(r"\([^()]*\)")
_MAX_HEAD: Final = 128
_MAX_SETS: Final = 4096


def find_text(data: bytes, offset: int, wire: Wire | None = None) -> Piece | None:
    """Explain bytes as one of the two text protocols, `offset` being their place; None where no data set is in them."""
    plain, parity = seven_bits(data)
    header = _HEADER.search(plain) or _HEADER_WITHOUT_SLASH.match(plain)
    body_from = header.end() if header else 0
    block = plain.find(_STX, body_from)
    if block >= 0 and plain.find(b"(", body_from, block) < 0:
        body_from = block + 1
    sets = _data_sets(plain, body_from)
    if header is None and block < 0:
        sets = _without_torn_head(sets)
    if not sets:
        return None
    body_to = sets[-1][1]
    # Joined anew: what stands between the sets is no part of them.
    body = "\r\n".join(text for _, _, text in sets).encode("latin-1")
    stated = list(_P1_END.finditer(plain, body_from))
    end = next((match for match in reversed(stated) if match.group(1)), stated[-1] if stated else None)
    checked = end is not None and end.group(1) is not None
    framed_block = block >= 0 or plain.find(_ETX, body_from) >= 0
    own = wire or (Wire.IEC62056_21 if framed_block else protocol_of(body, checked=checked))
    piece = Piece(data, offset, "", missing=[])
    if parity:
        hint = "every byte has an even parity bit: the line is 7E1 and was read as 8N1; the bit is left out here"
        piece.hints.append(Hint("parity_bits", hint))
    title = header.group(1).decode("latin-1") if header else ""
    if own is Wire.P1:
        _p1(piece, plain, header, end, body)
    else:
        _iec(piece, plain, header, body_from, body_to)
    if b"\r" not in plain and b"\n" in plain and all(check.holds for check in piece.checks):
        how = "; the check holds with them put back" if any(check.how for check in piece.checks) else ""
        piece.hints.append(Hint("cr_stripped", f"the capture lost its CRs{how}"))
    piece.telegram = _read(own, title, body)
    if piece.telegram is not None:
        piece.places = _places(own, plain, sets, piece.telegram, offset)
    return piece if piece.telegram is not None else None


def seven_bits(data: bytes) -> tuple[bytes, bool]:
    """The characters without parity bit, where most bytes above 127 are there for even parity; and whether so."""
    high = sum(byte >= 0x80 for byte in data)
    if not high:
        return data, False
    even = sum(byte.bit_count() % 2 == 0 for byte in data)
    if high * 5 < len(data) or even < 0.9 * len(data):
        return data, False
    return bytes(byte & 0x7F for byte in data), True


def _data_sets(plain: bytes, start: int) -> list[tuple[int, int, str]]:
    """Start, end and text of each data set; groups without address belong to the set before."""
    text = plain.decode("latin-1")
    found: list[tuple[int, int, str]] = []
    after = start
    for match in _VALUE.finditer(text, start):
        between = text[max(after, match.start() - _MAX_HEAD) : match.start()]
        after = match.end()
        name = between.rpartition("\n")[2].strip("\r \x02\x03\x06")
        if not name and found and not between.strip():
            begin = found[-1][0]
            found[-1] = (begin, match.end(), text[begin : match.end()])
        elif ADDRESS.fullmatch(name) and len(found) < _MAX_SETS:
            begin = match.start() - len(between) + between.rfind(name)
            found.append((begin, match.end(), text[begin : match.end()]))
    return found


def _without_torn_head(sets: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Less a first code that may be the tail of a longer one: 1.7.0 of 1-0:21.7.0, where the others have A-B."""
    full = [":" in text.partition("(")[0] for _, _, text in sets[:3]]
    return sets[1:] if full[:1] == [False] and len(full) > 1 and all(full[1:]) else sets


def _p1(piece: Piece, plain: bytes, header: re.Match[bytes] | None, end: re.Match[bytes] | None, body: bytes) -> None:
    slash = header is not None and header.group().startswith(b"/")
    piece.framing = "DSMR P1 telegram"
    if header is None:
        piece.missing.append("the header line, from `/`")
    elif not slash:
        piece.missing.append("the leading `/`")
    if end is None:
        piece.missing.append("the end mark `!`" + (" and its CRC" if crc_required(body) else ""))
        return
    start = (header.start() if slash else header.start(1)) if header is not None else 0
    mark = plain.index(b"!", end.start())
    covered = (b"" if slash else b"/") + plain[start : mark + 1]
    cover = (piece.offset + start, piece.offset + mark + 1)
    if end.group(1) is None:
        needed = crc_required(body)
        if needed:
            piece.missing.append("the CRC behind `!`, which DSMR 4 and later must have")
        piece.checks.append(Check("CRC-16 of the telegram", None, f"{crc16(covered):04X}", not needed,
                                  piece.offset + mark + 1, cover))  # fmt: skip
        return
    stated = int(end.group(1), 16)
    holds = crc_fits(covered, stated)
    restored = covered.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    how = "" if crc16(covered) == stated else "with the lost CRs put back" if b"\r" not in covered else ""
    if not slash:
        how = ", ".join(part for part in ("with the `/` put back", how) if part)
    computed = crc16(restored if b"\r" not in covered else covered)
    if holds and computed != stated:
        computed, how = stated, "with the header's escape put back"
    name = "CRC-16 of the telegram"
    # only where nothing was put back: among so many tries one would fit by chance
    if not holds and slash and (crc := next(fitting(as_sent(covered), stated), "")):
        holds, computed, how = True, stated, f"as {spelled(crc)}"
    piece.checks.append(Check(name, end.group(1).decode(), f"{computed:04X}", holds, piece.offset + mark + 1, cover,
                              how if holds else ""))  # fmt: skip
    if not holds:
        _p1_flips(piece, plain, start, covered, stated)


def _p1_flips(piece: Piece, plain: bytes, start: int, covered: bytes, stated: int) -> None:
    """Name single bits that would make the CRC right, in the text or in the CRC's own digits."""
    lost = covered.startswith(b"/") and plain[start : start + 1] != b"/"
    variants = [covered]
    if b"\r" not in covered:
        variants.append(covered.replace(b"\n", b"\r\n"))
    for variant in variants:
        for flip in flips(ARC, stated ^ crc16(variant), len(variant)):
            octet, other = variant[flip.place], variant[flip.place] ^ flip.mask
            if not (0x20 <= other < 0x7F or other in b"\r\n"):
                continue
            before = len(variant[: flip.place].replace(b"\r\n", b"\n")) if variant is not covered else flip.place
            place = piece.offset + start + before - lost
            was, would = (repr(chr(byte & 0x7F)) for byte in (octet, other))
            text = f"one flipped bit would explain it: with {was} turned to {would} the CRC is right"
            piece.hints.append(Hint("bit_flip", text, max(0, place)))
    digits = f"{stated:04X}"
    computed = f"{crc16(variants[-1]):04X}"
    differing = [(a, b) for a, b in zip(digits, computed, strict=True) if a != b]
    if len(differing) == 1 and (ord(differing[0][0]) ^ ord(differing[0][1])).bit_count() == 1:
        mark = piece.checks[-1].offset
        text = f"one flipped bit in the CRC itself would explain it: {digits} for {computed}"
        piece.hints.append(Hint("bit_flip", text, mark))


def _iec(piece: Piece, plain: bytes, header: re.Match[bytes] | None, body_from: int, body_to: int) -> None:
    stx = body_from - 1 if body_from and plain[body_from - 1 : body_from] == _STX else None
    ends = [at for at in (plain.find(mark, body_to) for mark in (_ETX, _EOT)) if at >= 0]
    etx = min(ends, default=None)
    mode_d = stx is None and etx is None and header is not None and plain.find(b"!", body_to) >= 0
    piece.framing = "IEC 62056-21 readout" + (" (mode D)" if mode_d else "")
    if mode_d:
        if not header or not header.group().startswith(b"/"):
            piece.missing.append("the leading `/`")
        return
    if stx is None:
        piece.missing.append("STX before the data block")
    if etx is None:
        piece.missing.append("ETX and the block check behind the data block")
        return
    covered = plain[body_from : etx + 1]
    cover = (piece.offset + body_from, piece.offset + etx + 1)
    computed = block_check(covered)
    if etx + 1 >= len(plain):
        piece.missing.append("the block check behind ETX")
        piece.checks.append(Check("block check (BCC)", None, f"{computed:02x}", False, piece.offset + etx + 1, cover))
        return
    stated = plain[etx + 1]
    holds = block_check_fits(covered, stated)
    how = "with the lost CRs put back" if holds and computed != stated else ""
    check = Check("block check (BCC)", f"{stated:02x}", f"{stated if how else computed:02x}", holds,
                  piece.offset + etx + 1, cover, how)  # fmt: skip
    piece.checks.append(check)
    if not holds and (stated ^ computed).bit_count() == 1:
        bit = (stated ^ computed).bit_length() - 1
        text = f"stated and computed differ in bit {bit} alone: one flipped bit {bit} anywhere in the block explains it"
        piece.hints.append(Hint("bit_flip", text))


def _read(wire: Wire, title: str, body: bytes) -> Telegram | None:
    """The telegram that the regular reader makes of the data sets, in a frame whose check is right."""
    head = b"/" + title.encode("latin-1").rstrip(b"\r\n") + b"\r\n" if title else b""
    try:
        if wire is Wire.P1:
            covered = (head or b"/\r\n") + b"\r\n" + body.strip(b"\r\n") + b"\r\n!"
            telegram = parse_p1(Frame(wire, covered + f"{crc16(covered):04X}\r\n".encode()))
        else:
            checked = body + b"\r\n!\r\n\x03"
            telegram = parse_iec62056(Frame(wire, head + _STX + checked + bytes([block_check(checked)])))
    except FrameError:
        return None
    return replace(telegram, facts={name: text for name, text in telegram.facts.items() if text})


def _places(
    wire: Wire, plain: bytes, sets: list[tuple[int, int, str]], telegram: Telegram, offset: int
) -> list[tuple[int, int, str, tuple[Record, ...]]]:
    """Each data set with the records of the whole telegram that it gave: as many of each address as it gives alone."""
    waiting: dict[str, list[Record]] = defaultdict(list)
    for record in reversed(telegram.records):
        waiting[record.address].append(record)
    found = []
    for start, end, text in sets:
        alone = _read(wire, "", plain[start:end])
        # Units and neighbours are the whole telegram's; only how many records a set gives is asked of it alone.
        own = []
        for one in alone.records if alone else ():
            address = one.address if waiting[one.address] else text.partition("(")[0].strip()
            if waiting[address]:
                own.append(waiting[address].pop())
        found.append((offset + start, end - start, _GAP.sub(" ", text), tuple(own)))
    return found
