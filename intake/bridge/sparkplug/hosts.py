"""The host applications of the bridge: one at each broker that has sources of Sparkplug edge nodes."""

import asyncio
from collections.abc import Callable

from intake.bridge.book import SourceBook
from intake.bridge.sparkplug.host import SparkplugHost


class Hosts:
    """Starts a host where a source wants one, and ends it where none does any more."""

    def __init__(self, book: SourceBook, make: Callable[[str], SparkplugHost | None]) -> None:
        """`make` gives the host of a broker, None for a broker that is not set."""
        self._book = book
        self._make = make
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._hosts: dict[str, SparkplugHost] = {}

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Bring the hosts to what the book says now."""
        wanted = self._book.sparkplug_brokers()
        for broker in [name for name in self._tasks if name not in wanted or self._tasks[name].done()]:
            await self._end(broker)
        for broker in sorted(wanted - self._tasks.keys()):
            host = self._make(broker)
            if host is not None:
                self._hosts[broker] = host
                self._tasks[broker] = group.create_task(host.run(), name=f"bridge.{broker}.sparkplug")

    async def close(self) -> None:
        """End all of them; each says that it goes."""
        for broker in list(self._tasks):
            await self._end(broker)

    async def _end(self, broker: str) -> None:
        task = self._tasks.pop(broker)
        self._hosts.pop(broker)
        task.cancel()
        await asyncio.wait({task})

    def check(self) -> tuple[bool, str]:
        """Whether all are connected."""
        away = [
            f"{name}: {host.session.last_error or 'connecting'}"
            for name, host in self._hosts.items()
            if not host.session.connected
        ]
        return not away, "; ".join(away)[:1000] or f"{len(self._hosts)} connected"
