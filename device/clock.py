"""How far the device's clock can be trusted, and whether somebody moved it."""

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from broker.contract.messages import Clock
from device.clock_offset import CLOSE_S, Followed, PlatformClock

log = structlog.get_logger()

STA_UNSYNC: Final = 0x0040
TIME_ERROR: Final = 5
"""What adjtimex(2) returns while the clock is not synchronised."""
TIMESYNC_FILE: Final = Path("/run/systemd/timesync/synchronized")
CHECK_EVERY_S: Final = 10.0
EARLIEST_YEAR: Final = 1970
LATEST_YEAR: Final = 2200
"""A platform that says another time does not know it; near the years 1 and 9999 times can't even be reckoned with."""
STEP_S: Final = 2.0
"""A wall clock that moved this far against the monotonic one was stepped."""


class _Timex(ctypes.Structure):
    """The first fields of `struct timex`; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def kernel_synchronised() -> bool:
    """Whether the kernel knows its clock to be kept by NTP; False where it can't be read."""
    if TIMESYNC_FILE.exists():
        return True
    try:
        # the library that this process has loaded: to look for it would start ldconfig each time
        libc = ctypes.CDLL(None)
        state = _Timex()
        code = libc.adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):
        return False
    return code not in (-1, TIME_ERROR) and not state.status & STA_UNSYNC


class DeviceClock:
    """The device's wall clock, its state by NTP, and steps of it."""

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        synchronised: Callable[[], bool] = kernel_synchronised,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._synchronised = synchronised
        self._checked_at = float("-inf")
        self._synced = False
        self._apart_s = wall() - monotonic()
        self._platform = PlatformClock()
        self._followed = Followed()

    def now(self) -> datetime:
        """The time, aware UTC: the wall clock's, or the platform's where the wall clock is proven to be far off."""
        return self.at(self._monotonic())

    def at(self, monotonic_s: float) -> datetime:
        """The time that it was at a moment of the monotonic clock, by what is known now."""
        now_s = self._monotonic()
        second = self._followed.now(self._wall(), now_s, self._platform.ahead(now_s))
        return datetime.fromtimestamp(second - (now_s - monotonic_s), UTC)

    def wall_s(self) -> float:
        """The wall clock itself, right or wrong: what the times of files and of the outbox are by."""
        return self._wall()

    def learn(self, at: datetime, sent_s: float, arrived_s: float) -> None:
        """Take a receipt's time, and by the monotonic clock when its newest message was sent and when it arrived."""
        if not EARLIEST_YEAR <= at.year < LATEST_YEAR:
            log.warning("receipt_time_refused", at=at.isoformat())
            return
        self._platform.learn(at.timestamp(), sent_s, arrived_s)

    def off_s(self) -> float:
        """How far the wall clock is ahead of the platform's, 0 where it is not proven to be far off."""
        now_at = self.now()
        return self._wall() - now_at.timestamp() if self._followed.off else 0.0

    @property
    def kept(self) -> bool:
        """Whether the kernel says that NTP keeps the wall clock; asked every few seconds at most."""
        if self._monotonic() - self._checked_at >= CHECK_EVERY_S:
            self._checked_at = self._monotonic()
            self._synced = self._synchronised()
        return self._synced

    @property
    def checked(self) -> bool:
        """Whether the time was compared with the platform's, closely enough to judge a meter's clock by it."""
        ahead = self._platform.ahead(self._monotonic())
        return ahead is not None and ahead.width_s <= CLOSE_S

    def trust(self) -> Clock:
        """How far to trust `now`: `synced` where NTP keeps the wall clock and it is not proven to be far off."""
        self.now()
        return Clock.SYNCED if self.kept and not self._followed.off else Clock.UNSYNCED

    def stepped_s(self) -> float:
        """By how many seconds the wall clock was stepped since the last call, 0 where it was not."""
        apart_s = self._wall() - self._monotonic()
        step_s = apart_s - self._apart_s
        # slewing and drift are followed, so that they never add up to a step
        self._apart_s = apart_s
        if abs(step_s) < STEP_S:
            return 0.0
        self._checked_at = float("-inf")
        return step_s
