"""Wakes whoever waits for a device's report."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Signals:
    """Events of waiters, each for some devices; a waiter's event is gone when it leaves."""

    def __init__(self) -> None:
        self._waiters: dict[asyncio.Event, frozenset[str]] = {}

    @contextmanager
    def watching(self, devices: Iterable[str]) -> Iterator[asyncio.Event]:
        """An event that is set with each report of one of these devices; clear it to wait for the next."""
        event = asyncio.Event()
        self._waiters[event] = frozenset(devices)
        try:
            yield event
        finally:
            del self._waiters[event]

    def notify(self, device: str) -> None:
        """A report of this device is stored."""
        for event, devices in self._waiters.items():
            if device in devices:
                event.set()
