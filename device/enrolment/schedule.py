"""When the next certificate is asked for. Pure functions."""

import zlib
from datetime import datetime
from typing import Final

from device.enrolment.certificate_file import StoredCertificate

EARLIEST: Final = 0.60
LATEST: Final = 0.70
"""Between these shares of its life a certificate is renewed: so spread, a fleet does not come at once."""
ALONE_S: Final = 900.0
"""A device without a trusted clock that the broker has kept out for so long asks, whatever its clock says."""
REFUSED_S: Final = 300.0
"""A device whose certificate the broker refuses for so long, or up to twice as long, asks before it is due: its login
may have ended, and a person may let it in again. A gateway lets in again within this time what a broker forgot."""
REFUSED_CAP_S: Final = 21_600.0
"""Where each new certificate is refused too, it asks ever more rarely, and at least so often."""


def share(held: StoredCertificate) -> float:
    """The share of its life after which a certificate is renewed, its own for each."""
    return EARLIEST + (LATEST - EARLIEST) * _mark(held)


def due_in_s(held: StoredCertificate, now: datetime) -> float:
    """Seconds until a certificate wants its successor, 0 where it does; by the clock, which may be wrong."""
    due_s = (held.not_before - now).total_seconds() + share(held) * held.life_s
    return max(0.0, due_s)


def wants_renewal(held: StoredCertificate, now: datetime, *, clock_kept: bool, alone_s: float) -> bool:
    """Whether to ask now: its time has come, or the clock can't tell and the broker may have found it too old."""
    return due_in_s(held, now) == 0 or (not clock_kept and alone_s >= ALONE_S)


def patience_s(held: StoredCertificate, in_vain: int) -> float:
    """For how long the broker refuses a certificate before another one is asked for, its own for each.

    `in_vain` certificates came for this reason since the broker last let us in, and it let in none of them.
    """
    return min(REFUSED_CAP_S, REFUSED_S * (1 + _mark(held)) * 2.0 ** min(in_vain, 30))


def _mark(held: StoredCertificate) -> float:
    """From 0 to below 1, spread evenly over the certificates of a fleet."""
    return zlib.crc32(f"{held.identity} {held.not_after.isoformat()}".encode()) / 2**32
