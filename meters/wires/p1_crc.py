"""Other CRC-16 than the usual one that P1 meters state behind their `!`, and when a line may be read by one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

USUAL: Final = "arc"
"""CRC-16/ARC, which DSMR P1 5.2.1 asks for."""
SWAPPED: Final = "-swapped"
"""The ending of a variant whose two octets are stated in the other order."""


@dataclass(frozen=True, slots=True)
class _Crc:
    """The parameters of a CRC-16 by the usual model: `reflected` stands for input and output alike."""

    polynomial: int
    reflected: bool
    start: int
    xor: int

    def of(self, data: bytes) -> int:
        table, crc = _table(self.polynomial, self.reflected), self.start
        if self.reflected:
            for byte in data:
                crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
        else:
            for byte in data:
                crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
        return crc ^ self.xor


_CRCS: Final = {
    "arc": _Crc(0x8005, True, 0x0000, 0x0000),
    "x-25": _Crc(0x1021, True, 0xFFFF, 0xFFFF),
    "mcrf4xx": _Crc(0x1021, True, 0xFFFF, 0x0000),
    "kermit": _Crc(0x1021, True, 0x0000, 0x0000),
    "ccitt-false": _Crc(0x1021, False, 0xFFFF, 0x0000),
    "genibus": _Crc(0x1021, False, 0xFFFF, 0xFFFF),
    "xmodem": _Crc(0x1021, False, 0x0000, 0x0000),
    "modbus": _Crc(0x8005, True, 0xFFFF, 0x0000),
    "usb": _Crc(0x8005, True, 0xFFFF, 0xFFFF),
    "maxim": _Crc(0x8005, True, 0x0000, 0xFFFF),
    "buypass": _Crc(0x8005, False, 0x0000, 0x0000),
}
VARIANTS: Final = tuple(name + order for name in _CRCS for order in ("", SWAPPED) if name + order != USUAL)
"""All that is tried where the usual CRC does not fit: a damaged telegram fits one of them by chance once in about
65536 / len(VARIANTS) times."""


@cache
def _table(polynomial: int, reflected: bool) -> tuple[int, ...]:
    if not reflected:
        return tuple(_shifted(byte << 8, polynomial) for byte in range(256))
    return tuple(_mirrored(_shifted(_mirrored(byte, 8) << 8, polynomial), 16) for byte in range(256))


def _shifted(crc: int, polynomial: int) -> int:
    for _ in range(8):
        crc = (crc << 1 ^ (polynomial if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def _mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


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
