"""Captured bytes as people keep them: raw, as a terminal log with `<CR><LF>` or `^M` spelled out, or any usual dump."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from broker.errors import ContractError

_NAMES: Final = {b"NUL": 0, b"SOH": 1, b"STX": 2, b"ETX": 3, b"EOT": 4, b"ACK": 6, b"LF": 10, b"CR": 13, b"NAK": 21}
_NAMED: Final = re.compile(rb"<(" + b"|".join(_NAMES) + rb")>")
_CARET_LINE: Final = re.compile(rb"\^M\r?\n")
_CARET: Final = re.compile(rb"\^([ABCDF])")
_BINARY: Final = re.compile(rb"[^\t\n\r -~]")
_LEAST_HEX_DIGITS: Final = 16
"""Fewer digits may be anything; no telegram is so short."""
_LEAST_BASE64: Final = 24
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")

# The layouts of `hexdump -C`, `xxd`, `od -A x -t x1z` and the like: an offset, octets, and what they look like.
_OFFSET: Final = r"[ \t]*(?:0[xX])?([0-9A-Fa-f]{4,16})"
_CANONICAL: Final = re.compile(
    _OFFSET + r":?[ \t]+((?:[0-9A-Fa-f]{2}[ \t-]+)*[0-9A-Fa-f]{2})(?:[ \t]*[|>].*|[ \t]{2,}.*)?"
)
_XXD: Final = re.compile(_OFFSET + r":[ \t]+((?:[0-9A-Fa-f]{2,8}[ \t])*[0-9A-Fa-f]{2,8})(?:[ \t]{2,}.*|[ \t]*)")
_WORDS: Final = re.compile(_OFFSET + r"[ \t]+((?:[0-9A-Fa-f]{4}[ \t]+)*[0-9A-Fa-f]{4})[ \t]*")
_LAYOUTS: Final = (("xxd", _XXD), ("hexdump -C", _CANONICAL), ("hexdump", _WORDS))
_ROW: Final = 16
_MAX_SQUEEZED: Final = 1 << 20
_OFFSET_ALONE: Final = re.compile(_OFFSET + r":?[ \t]*")

_LINE_COMMENT: Final = re.compile(r"//[^\n]*|^[ \t]*#[^\n]*", re.MULTILINE)
_QUOTED: Final = re.compile(r"(?:bytes\.fromhex\()?[bB]?(?=['\"])")
_MAX_LINE: Final = 4096
_OCTET: Final = re.compile(r"(?:0[xX]|\\x|[xX$%])([0-9A-Fa-f]{1,2})(?![0-9A-Fa-f])")
_TURN: Final = re.compile(r"^[ \t]*(?:[<>]{1,2}|-+>|<-+)(?=[ \t])", re.MULTILINE)
"""Who speaks: a log of requests and replies has a mark before each."""
_PREFIX: Final = re.compile(r"\A\s*0[xX](?=[0-9A-Fa-f]{3})")
_BETWEEN: Final = re.compile(r"[\s:,;{}()\[\]'\"_.|-]+")
_RUN: Final = re.compile(r"[0-9A-Fa-f]+[hH]?")


@dataclass(frozen=True, slots=True)
class Undressed:
    """The bytes of the line and the dress that they came in: `raw bytes`, `hex`, `hexdump -C`, `base64` and so on."""

    data: bytes
    dress: str


def unwrap(data: bytes) -> bytes:
    """The bytes of the line: control characters by name or as ^M put back, a dump turned to octets."""
    return undress(data).data


def undress(data: bytes) -> Undressed:
    """The bytes of the line, whatever dress they came in; bytes that are no dump stay as they are."""
    if _NAMED.search(data):
        return Undressed(_NAMED.sub(lambda name: bytes([_NAMES[name.group(1)]]), data), "control characters by name")
    if _BINARY.search(data):
        return Undressed(data, "raw bytes")
    if _CARET_LINE.search(data):
        lines = _CARET_LINE.sub(b"\r\n", data)
        return Undressed(_CARET.sub(lambda letter: bytes([letter.group(1)[0] - 0x40]), lines), "cat -v")
    text = data.decode("ascii")
    if b"(" in data and not text.lstrip().startswith(("{", "[", "const", "unsigned", "uint", "static", "char", "byte")):
        # Telegrams of the text protocols have parentheses; of the dumps only arrays and what stands beside octets.
        found = _dump(text)
    else:
        found = _dump(text) or _octets(text, least=_LEAST_HEX_DIGITS) or _base64(text)
    return found or Undressed(data, "raw bytes")


def from_hex(text: str) -> Undressed:
    """The octets of a text that a person says is hex, in any usual dress; base64 too, where it can be no hex.

    Raises ContractError that names the first character that does not belong, or the odd digit.
    """
    found = _dump(text) or _octets(text, least=2) or _base64(text)
    if found is not None:
        return found
    bare = _BETWEEN.sub("", _OCTET.sub(lambda octet: octet.group(1).zfill(2), text))
    wrong = next((letter for letter in bare if letter not in "0123456789abcdefABCDEF"), None)
    if not bare:
        raise ContractError("no digits", field="hex", fix="give the octets as hex, such as 1b1b1b1b01010101")
    if wrong is not None:
        at = text.find(wrong)
        reason = f"{wrong!r} at character {at} is no hex digit"
        raise ContractError(reason, field="hex", fix="give octets as hex, or the text of the telegram as it stands")
    fix = "an octet is two digits; one is missing or one too many"
    raise ContractError(f"{len(bare)} digits, an odd number", field="hex", fix=fix)


def _dump(text: str) -> Undressed | None:
    """Lines of offset and octets; None where a line is neither, or the offsets do not count the octets."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(len(line) > _MAX_LINE for line in lines):
        return None
    for dress, layout in _LAYOUTS:
        if any(layout.fullmatch(line) for line in lines[:1]):
            for base in (16, 8, 10):
                octets = _lines(lines, layout, base)
                if octets:
                    return Undressed(octets, dress)
    return None


def _lines(lines: list[str], layout: re.Pattern[str], base: int) -> bytes | None:
    data, starts, squeezed = bytearray(), [], False
    for line in lines:
        if line.strip() == "*":
            squeezed = True
            continue
        match = layout.fullmatch(line) or _OFFSET_ALONE.fullmatch(line)
        offset = _number(match.group(1), base) if match else None
        if match is None or offset is None:
            return None
        starts.append(offset)
        reached = offset - starts[0]
        # `*` stands for lines equal to the last one (hexdump without -v).
        if squeezed and len(data) >= _ROW and len(data) < reached <= _MAX_SQUEEZED:
            data += bytes(data[-_ROW:]) * ((reached - len(data)) // _ROW)
        squeezed = False
        if match.re is not layout and layout is _WORDS and reached == len(data) - 1:
            del data[-1:]
        if reached != len(data):
            return None
        if match.re is layout:
            digits = "".join(match.group(2).replace("-", " ").split())
            if len(digits) % 2:
                return None
            octets = bytes.fromhex(digits)
            data += _swapped(octets) if layout is _WORDS else octets
    # One line whose "offset" is not zero is rather nothing but octets.
    return bytes(data) if starts[:1] == [0] or len(starts) > 1 else None


def _number(digits: str, base: int) -> int | None:
    try:
        return int(digits, base)
    except ValueError:
        return None


def _swapped(octets: bytes) -> bytes:
    """Words of 16 bits as a little-endian machine prints them."""
    return bytes(octets[place ^ 1] for place in range(len(octets)))


def _octets(text: str, *, least: int) -> Undressed | None:
    """Hex digits with anything usual before, between and after the octets."""
    plain = _LINE_COMMENT.sub(" ", _without_comments(text))
    inner, declared = _declared(_TURN.sub(" ", plain))
    octets, count = _OCTET.subn(lambda octet: f" {octet.group(1).zfill(2)} ", inner)
    octets = _PREFIX.sub("", octets)
    runs = _BETWEEN.sub(" ", octets).split()
    if not runs or any(_RUN.fullmatch(run) is None for run in runs):
        return None
    if all(run[-1] in "hH" for run in runs):
        runs = [run[:-1] for run in runs]
    digits = "".join(runs)
    if len(digits) < least or len(digits) % 2 or not digits.isascii() or _RUN.fullmatch(digits) is None:
        return None
    if digits[-1] in "hH":
        return None
    return Undressed(bytes.fromhex(digits), "an array" if declared or count else "hex")


def _without_comments(text: str) -> str:
    """Without what stands between `/*` and `*/`; in one pass, as no text may keep us busy."""
    kept, at = [], 0
    while (start := text.find("/*", at)) >= 0 and (end := text.find("*/", start + 2)) >= 0:
        kept.append(text[at:start])
        at = end + 2
    return " ".join([*kept, text[at:]])


def _declared(text: str) -> tuple[str, bool]:
    """What stands between the braces of an array's declaration or the quotes of a string; whether it is an array."""
    if text.count("{") == text.count("}") == 1:
        head, _, rest = text.partition("{")
        inner, _, tail = rest.partition("}")
        if "=" in head or not head.strip():
            return (inner, True) if "=" in head or not tail.strip(" ;\r\n\t") else (text, False)
    stripped = text.strip(" \t\r\n;")
    quoted = _QUOTED.match(stripped)
    return (stripped[quoted.end() :].rstrip(")"), False) if quoted else (text, False)


def _base64(text: str) -> Undressed | None:
    joined = "".join(text.split())
    if joined.startswith("data:") and ";base64," in joined[:64]:
        joined = joined.partition(";base64,")[2]
    if len(joined) < _LEAST_BASE64 or _BASE64.fullmatch(joined) is None:
        return None
    if joined.isalpha() and (joined.islower() or joined.isupper()):
        # A long word, or a line of one letter.
        return None
    standard = joined.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return Undressed(base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True), "base64")
    except (binascii.Error, ValueError):
        return None
