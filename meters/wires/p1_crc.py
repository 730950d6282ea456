"""Other CRC-16 than the usual one that P1 meters state behind their `!`, and when a line may be read by one of them."""

from collections.abc import Iterable, Iterator
from typing import Final

from meters.wires.crc16 import ARC, MODBUS, Crc16

USUAL: Final = "arc"
"""CRC-16/ARC, which DSMR P1 5.2.1 asks for."""
SWAPPED: Final = "-swapped"
"""The ending of a variant whose two octets are stated in the other order."""


_CRCS: Final = {
    "arc": ARC,
    "x-25": Crc16(0x1021, True, 0xFFFF, 0xFFFF),
    "mcrf4xx": Crc16(0x1021, True, 0xFFFF, 0x0000),
    "kermit": Crc16(0x1021, True, 0x0000, 0x0000),
    "ccitt-false": Crc16(0x1021, False, 0xFFFF, 0x0000),
    "genibus": Crc16(0x1021, False, 0xFFFF, 0xFFFF),
    "xmodem": Crc16(0x1021, False, 0x0000, 0x0000),
    "modbus": MODBUS,
    "usb": Crc16(0x8005, True, 0xFFFF, 0xFFFF),
    "maxim": Crc16(0x8005, True, 0x0000, 0xFFFF),
    "buypass": Crc16(0x8005, False, 0x0000, 0x0000),
}
VARIANTS: Final = tuple(name + order for name in _CRCS for order in ("", SWAPPED) if name + order != USUAL)
"""All that is tried where the usual CRC does not fit: a damaged telegram fits one of them by chance once in about
65536 / len(VARIANTS) times."""


def variant(name: str, data: bytes) -> int:
    """The number that a meter of this variant states, the first octet as the higher one."""
    plain = name.removesuffix(SWAPPED)
    crc = _CRCS[plain].of(data)
    return crc if plain == name else crc >> 8 | (crc & 0xFF) << 8


def fitting(texts: Iterable[bytes], stated: int, names: Iterable[str] = VARIANTS) -> Iterator[str]:
    """The variants by which one of the texts has the stated CRC."""
    tried = tuple(texts)
    wanted = {"": stated, SWAPPED: stated >> 8 | (stated & 0xFF) << 8}
    computed: dict[str, tuple[int, ...]] = {}
    for name in names:
        plain = name.removesuffix(SWAPPED)
        if plain not in computed:
            computed[plain] = tuple(_CRCS[plain].of(text) for text in tried)
        if wanted[name[len(plain) :]] in computed[plain]:
            yield name


def spelled(name: str) -> str:
    """A variant as people call it."""
    plain = name.removesuffix(SWAPPED)
    return f"CRC-16/{plain.upper()}" + (" with its octets swapped" if plain != name else "")


class LineCrcs:
    """Which variants a line may be read by: those that are named, and one that two telegrams in a row have shown.

    A damaged telegram may fit a variant by chance, two that differ and follow one another hardly ever fit the same.
    One that is the same octet for octet proves less, and takes a third: only a capture that is played again does that.
    A telegram with the usual CRC says that the line needs no variant: what was shown is forgotten, what was named is
    not.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(named)
        self._shown = ""
        self._once: tuple[str, bytes] | None = None
        self._repeated = False

    @property
    def half_shown(self) -> str:
        """The variant that one telegram has shown and the next must show too; '' where none has."""
        return self._once[0] if self._once is not None else ""

    @property
    def known(self) -> tuple[str, ...]:
        """The variants by which telegrams are taken at once."""
        return (*self._named, self._shown) if self._shown else tuple(self._named)

    def name(self, named: Iterable[str]) -> None:
        """Take these for named, in place of those before."""
        self._named = frozenset(named)

    def usual(self) -> None:
        """A telegram with the usual CRC has come."""
        self._shown, self._once = "", None

    def take(self, texts: tuple[bytes, ...], stated: int) -> str:
        """The variant to read a telegram by whose usual CRC does not fit; '' where it is not to be read."""
        found = next(fitting(texts, stated, self.known), "") or next(fitting(texts, stated), "")
        if not found or found in self.known:
            self._once = None
            return found
        again = self._once is not None and self._once[0] == found
        same = again and self._once == (found, texts[0])
        if again and (not same or self._repeated):
            self._shown, self._once = found, None
            return found
        self._once, self._repeated = (found, texts[0]), same
        return ""
