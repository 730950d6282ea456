"""Whether polled meters let the agent in: what they refuse, and what it lacks, told once an hour and as it changes."""

from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from device.readings.context import Context
from meters.telegram import Frame

EVENT_EVERY_S: Final = 3600.0
SHUT_OUT: Final = frozenset({"meter_refused", "wrong_key"})
"""Failures by which a meter says that it does not know this client, its password or its key."""


@dataclass(slots=True)
class _Shut:
    reason: str
    told_s: float


class MeterAccess:
    """The meters of one port that are asked by a spec with a secret."""

    def __init__(self, port: str, context: Context) -> None:
        self._port = port
        self._context = context
        self._shut: dict[str, _Shut] = {}

    def judge(self, meter: str, found: Frame | FrameError) -> None:
        """Take what came of a visit by the meter's own spec."""
        if isinstance(found, FrameError):
            if found.reason in SHUT_OUT:
                self.lacks(meter, found.reason, found.detail)
        elif self._shut.pop(meter, None) is not None:
            self._context.outgoing.event("meter_access_granted", meter=meter, port=self._port)

    def lacks(self, meter: str, reason: str, detail: str) -> None:
        """A visit that a meter refused, or whose secret is not here (`secret_missing`); `detail` shows none."""
        now_s = self._context.monotonic()
        before = self._shut.get(meter)
        if before is not None and before.reason == reason and now_s - before.told_s < EVENT_EVERY_S:
            return
        self._shut[meter] = _Shut(reason, now_s)
        fix = f"wattline meter key set {meter} --password-file FILE, or with the keys; docs/METERS.md"
        self._context.outgoing.event(
            "meter_access_refused", "warning", meter=meter, port=self._port, reason=reason, detail=detail, fix=fix
        )
