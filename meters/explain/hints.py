"""Likely causes of bytes that are no telegram: another protocol, text-mode transfers, noise of another baud rate."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from broker.errors import FrameError
from meters.explain.context import is_text
from meters.explain.types import Hint
from meters.telegram import Frame
from meters.wires.meter_key import KeyNeededError
from meters.wires.other_protocols import NAMES, recognise
from meters.wires.readers import AnyFramer, parse
from meters.wires.sml_transport import ESCAPE, START
from meters.wires.text.checks import PARITY

MAX_TRIED_BYTES: Final = 64 * 1024
"""Transformations are tried on no more than the first so many bytes."""
_MOST_COMMON_SHARE: Final = 0.9
_LEAST: Final = 8
_PARITY_SHARE: Final = 0.9
_BLANKS: Final = b"\t\r\n"
_MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _from_utf8(data: bytes) -> bytes:
    return data.decode("utf-8").encode("latin-1")


def _from_windows(data: bytes) -> bytes:
    return data.decode("utf-8").encode("cp1252")


_TRANSFORMS: Final[tuple[tuple[str, str, Callable[[bytes], bytes]], ...]] = (
    ("utf8_reencoded", "binary was saved as text in UTF-8: bytes above 127 became two; undone, it reads", _from_utf8),
    ("utf8_reencoded", "binary was saved as Windows text in UTF-8; undone, it reads", _from_windows),
    ("lf_to_crlf", "a transfer in text mode put CR before each 0a; undone, it reads",
     lambda data: data.replace(b"\r\n", b"\n")),
    ("inverted", "all bits are inverted: the line needs an inverter (P1), or the optical head its other polarity",
     lambda data: bytes(byte ^ 0xFF for byte in data)),
    ("bit_order", "the bits of each byte stand in reverse order; turned round, it reads",
     lambda data: data.translate(_MIRROR)),
)  # fmt: skip


def transfer_hints(data: bytes) -> Iterator[Hint]:
    """What an input is in which no frame is sound: another protocol, or bytes that are sound once a fault is undone."""
    data = data[:MAX_TRIED_BYTES]
    if _reads(data):
        return
    other = recognise(data)
    if other is not None:
        yield Hint(_cause(other.name), other.text, other.offset)
        return
    for cause, text, transform in _TRANSFORMS:
        try:
            changed = transform(data)
        except UnicodeError:
            continue
        if changed != data and _reads(changed):
            yield Hint(cause, text)
            return
    if b"\xef\xbf\xbd" in data:
        yield Hint("utf8_replaced", "ef bf bd is the mark of bytes lost when binary was saved as text: dump it as hex",
                   data.find(b"\xef\xbf\xbd"))  # fmt: skip


def whole_hints(data: bytes) -> tuple[Hint, ...]:
    """What an input is, or looks like, of which no telegram can be read."""
    if needed := _key_needed(data):
        return (needed,)
    found = tuple(transfer_hints(data))
    return found if recognise(data) is not None else (*found, *shape_hints(data))


def _key_needed(data: bytes) -> Hint | None:
    """That the first frame is ciphered, where it is."""
    framer = AnyFramer(bare=False)
    data = data[:MAX_TRIED_BYTES]
    for item in (*framer.feed(data), *framer.finish()):
        try:
            if isinstance(item, Frame):
                parse(item)
        except KeyNeededError as error:
            return Hint(error.reason, error.detail, item.offset)
        except FrameError:
            continue
    return None


def is_other(hint: Hint) -> bool:
    """Whether a hint says why bytes are out of reach: a protocol that Wattline does not read, or a key it has not."""
    return hint.cause in {"key_needed", *(_cause(name) for name in NAMES)}


def _cause(name: str) -> str:
    return name.replace("-", "_")


def _reads(data: bytes) -> bool:
    framer = AnyFramer(bare=False)
    return any(isinstance(event, Frame) for event in [*framer.feed(data), *framer.finish()])


def shape_hints(data: bytes) -> Iterator[Hint]:
    """What bytes without any telegram look like as a whole."""
    if len(data) < _LEAST:
        yield Hint("too_short", f"{len(data)} bytes are less than any telegram: capture some seconds of the line")
        return
    octet, count = Counter(data).most_common(1)[0]
    if count >= _MOST_COMMON_SHARE * len(data):
        yield Hint("idle_line", f"nearly all bytes are {octet:02x}: an idle or broken line, not a meter")
        return
    if START in data or ESCAPE in data:
        return
    if is_text(data):
        return
    plain = data.translate(PARITY)
    fits = sum(byte != 0xFF for byte in plain)
    high = sum(byte >= 0x80 for byte in data)
    if fits >= _PARITY_SHARE * len(data) and high > len(data) // 5 and is_text(bytes(b & 0x7F for b in data)):
        at = plain.find(0xFF)
        extra = "" if at < 0 else f"; byte {data[at]:02x} has odd parity and was damaged"
        yield Hint("parity_bits", f"nearly all bytes have even parity: 7E1 read as 8N1{extra}", at if at >= 0 else None)
        return
    if (high + sum(byte < 0x20 and byte not in _BLANKS for byte in data)) * 4 > len(data):
        text = (
            "no start of a telegram and many odd bytes: most likely another baud rate or parity"
            " (try 115200 8N1, 9600 8N1, 2400 8E1, 9600 7E1, 300 7E1), or another protocol"
        )
        yield Hint("wrong_baud", text)
