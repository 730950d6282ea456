"""Reals of single precision, with the digits that they have."""

import struct
from typing import Final

_MOST_DIGITS: Final = 9
"""So many tell any two of them apart."""


def shortest(real: float) -> str:
    """The shortest decimal that is this very number in single precision: 230.1, and not 230.10000610351562."""
    packed = struct.pack(">f", real)
    for digits in range(6, _MOST_DIGITS):
        found = f"{real:.{digits}g}"
        if struct.pack(">f", float(found)) == packed:
            return found
    return f"{real:.{_MOST_DIGITS}g}"
