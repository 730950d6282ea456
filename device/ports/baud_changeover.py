"""Meters that do not follow the rate that they propose: read at 300 baud, and now and then given another chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from device.ports.memory import PortMemory, Slow
from device.readings.context import Context
from meters.wires.iec62056_signon import SignOn

log = structlog.get_logger()

FIRST_HOLD: Final = timedelta(minutes=10)
LONGEST_HOLD: Final = timedelta(days=7)
"""How long 300 baud are kept after a change-over that failed: at first for a disturbance's sake, then ever longer."""
REMEMBERED_MAX: Final = 16
"""Identifications remembered at one port, the one that failed first forgotten first."""


@dataclass(frozen=True, slots=True)
class ChangeOvers:
    """What is known of the change-overs (IEC 62056-21 6.3.2) of the meters at one port, in the port's memory."""

    port: str
    context: Context
    memory: PortMemory

    def slow(self) -> frozenset[str]:
        """The identifications that are read at 300 baud for now."""
        now_at = self.context.clock.now()
        return frozenset(text for text, one in self.memory.slow(self.port).items() if holds(one, now_at))

    def learn(self, signon: SignOn) -> None:
        """Take what a readout showed that succeeded."""
        known = self.memory.slow(self.port)
        before = known.get(signon.identification)
        if signon.unfollowed:
            after = later(before, signon.unfollowed, self.context.clock.now())
            others = {text: one for text, one in known.items() if text != signon.identification}
            kept = list(others.items())[-(REMEMBERED_MAX - 1) :]
            self.memory.put_slow(self.port, {**dict(kept), signon.identification: after})
            self.context.metrics.change_overs_failed.labels(self.port).inc()
            self.context.outgoing.event(
                "changeover_failed",
                "warning",
                port=self.port,
                identification=signon.identification,
                proposed_baud=signon.unfollowed,
                baud=signon.baud,
                times=after.times,
                tried_again_at=after.until_at.isoformat(),
            )
        elif before is not None and signon.baud == before.baud:
            self.memory.put_slow(self.port, without(known, signon.identification))
            self.context.outgoing.event(
                "changeover_recovered", port=self.port, identification=signon.identification, baud=signon.baud
            )

    def forget(self) -> None:
        """Let each meter of the port have another chance."""
        self.memory.put_slow(self.port, {})


def later(before: Slow | None, baud: int, now_at: datetime) -> Slow:
    """What is remembered of a change-over that failed (again)."""
    times = 1 if before is None or before.baud != baud else before.times + 1
    hold = min(LONGEST_HOLD, FIRST_HOLD * 2 ** min(times - 1, 20))
    return Slow(baud, times, now_at + hold)


def holds(one: Slow, now_at: datetime) -> bool:
    """Whether 300 baud are still kept; what ends later than any hold can was learnt under a clock that ran ahead."""
    return now_at < one.until_at <= now_at + LONGEST_HOLD


def without(known: Mapping[str, Slow], identification: str) -> dict[str, Slow]:
    """What is left once a change-over has worked."""
    return {text: one for text, one in known.items() if text != identification}
