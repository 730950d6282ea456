"""Meters whose telegrams are ciphered, and how it stands with their keys: told once an hour, and as it changes."""

from dataclasses import dataclass
from typing import Final, Literal

from device.readings.context import Context

EVENT_EVERY_S: Final = 3600.0
METERS_MAX: Final = 16
"""System titles that are remembered, the one heard longest ago forgotten first."""
NAMED_AFTER: Final = 2
"""Telegrams by which a meter is believed to be there: no check covers a title in clear, and damage makes others."""
KeyState = Literal["missing", "wrong", "good"]


@dataclass(slots=True)
class _Ciphered:
    telegrams: int = 0
    state: KeyState | None = None
    told_s: float = float("-inf")


class MissingKeys:
    """The ciphered meters of one port, by the system titles that their telegrams carry in clear."""

    def __init__(self, port: str, context: Context) -> None:
        self._port = port
        self._context = context
        self._meters: dict[str, _Ciphered] = {}
        self._revision = context.keys.revision

    @property
    def any(self) -> bool:
        """Whether a meter at the port wants a key."""
        return any(one.state != "good" for one in self._meters.values())

    def is_known(self, title: str) -> bool:
        """Whether a title has been heard often enough to be a meter's."""
        found = self._meters.get(title)
        return found is not None and found.telegrams >= NAMED_AFTER

    def was_good(self, title: str) -> bool:
        """Whether telegrams of this meter were read by the key that is in force: what fails is damaged, then."""
        self._see_revision()
        found = self._meters.get(title)
        return found is not None and found.state == "good"

    def observe(self, title: str, state: KeyState, protocol: str, what: str = "") -> None:
        """Take a telegram of a meter, and how it stands with its key."""
        self._see_revision()
        found = self._meters.pop(title, None) or _Ciphered()
        if len(self._meters) >= METERS_MAX:
            del self._meters[next(iter(self._meters))]
        self._meters[title] = found
        found.telegrams += 1
        before, found.state = found.state, state
        self._gauge()
        now_s = self._context.monotonic()
        if state == "good" or (before == state and now_s - found.told_s < EVENT_EVERY_S):
            return
        found.told_s = now_s
        event = "meter_key_needed" if state == "missing" else "meter_key_wrong"
        self._context.outgoing.event(
            event, "warning", port=self._port, protocol=protocol, system_title=title, what=what
        )

    def forget(self) -> None:
        """Begin anew, as with another meter at the port."""
        self._meters.clear()
        self._gauge()

    def _see_revision(self) -> None:
        """Other keys than before: nothing is known of how they fit."""
        if self._revision != self._context.keys.revision:
            self._revision = self._context.keys.revision
            for one in self._meters.values():
                one.state = None

    def _gauge(self) -> None:
        wanting = sum(one.state in {"missing", "wrong"} for one in self._meters.values())
        self._context.metrics.meters_without_key.labels(self._port).set(wanting)
