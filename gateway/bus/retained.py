"""What is known of what the broker retains for devices on this connection."""

import time

MAX_UNKNOWN = 10_000


class Retained:
    """What is known of what the broker retains for devices on this connection.

    `names` are those whose configuration it holds as the store does, `software` those whose desired software; each is
    bounded by the number of devices; of devices that the store does not know, 10 000 are remembered and
    more are left for the next connection.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.software: set[str] = set()
        self.unknown_since: dict[str, float] = {}

    def note_in_step(self, device: str) -> None:
        """The broker holds what the store does."""
        self.names.add(device)

    def note_unknown(self, device: str) -> None:
        """The broker holds a configuration for a device that the store does not know."""
        if len(self.unknown_since) < MAX_UNKNOWN:
            self.unknown_since.setdefault(device, time.monotonic())

    def forget(self) -> None:
        """A new connection: start over."""
        self.names.clear()
        self.software.clear()
        self.unknown_since.clear()
