"""Where a frame goes: to its meter's spec, onto the disk until that is known, or raw to the platform."""

from enum import StrEnum

from device.readings.context import Context
from device.readings.identity import PortIdentity


class Route(StrEnum):
    """What is done with a frame."""

    DECODE = "decode"
    RAW = "raw"
    """The platform has no spec for its meter: it gets the frame as it is."""
    WAIT = "wait"
    """The platform has not answered yet, or the spec is on its way."""


class Router:
    """Decides by the configuration in force, for the meters of one port."""

    def __init__(self, context: Context, meters: PortIdentity) -> None:
        self._effective = context.effective
        self._meters = meters
        self._unreadable: dict[str, int] = {}
        """By meter: the revision of the configuration by which its waiting frames could not be read."""

    def route(self, key: str) -> Route:
        """Where a frame of a meter goes now; '' is one that has not named itself."""
        config = self._effective.config.meter(key) if key else None
        if config is None:
            return Route.WAIT
        if config.spec is None:
            return Route.RAW
        if self._meters.doubts(key, config.spec):
            return Route.WAIT
        return Route.DECODE if self._effective.spec_of(key) is not None else Route.WAIT

    def route_waiting(self, key: str) -> Route:
        """Where a frame goes that waits: of a meter that is gone nothing comes any more, so the platform gets it."""
        gone = key != self._meters.key and key not in self._meters and self._effective.config.meter(key) is None
        return Route.RAW if gone else self.route(key)

    def must_wait(self, key: str) -> bool:
        """Whether waiting frames of a meter must wait on: for its spec, or as what is on trial can't read them."""
        if self.route_waiting(key) is Route.WAIT:
            return True
        return self._effective.is_undecided(key) and self._unreadable.get(key) == self._effective.revision

    def note_unreadable(self, key: str) -> None:
        """A waiting frame of a meter can't be read by what is on trial: the others wait until that changes."""
        self._unreadable[key] = self._effective.revision
