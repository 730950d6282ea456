"""The host applications of the bridge: one at each broker that has sources of Sparkplug edge nodes."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from broker.mqtt.session import Session
from intake.bridge.book import SourceBook
from intake.bridge.sparkplug.host import SparkplugHost

log = structlog.get_logger()


class Hosts:
    """Starts a host where a source wants one, and ends it where none does any more."""

    def __init__(self, book: SourceBook, make: Callable[[str], SparkplugHost | None], stop_s: float) -> None:
        """`make` gives the host of a broker, None for one that is not set; in `stop_s` one stores what it has taken."""
        self._book = book
        self._stop_s = stop_s
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
        """End all of them, at once; each stores what it has taken, and says that it goes."""
        await asyncio.gather(*(self._end(broker) for broker in list(self._tasks)))

    async def _end(self, broker: str) -> None:
        task, host = self._tasks[broker], self._hosts[broker]
        host.stop()
        await asyncio.wait({task}, timeout=self._stop_s)
        if not task.done():
            if host.held:
                log.warning("sparkplug_stopped_before_all_was_stored", broker=broker, messages=host.held)
            task.cancel()
            await asyncio.wait({task})
        # not before, or nobody would end it where we are cancelled meanwhile
        self._tasks.pop(broker, None)
        self._hosts.pop(broker, None)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """By broker."""
        return {broker: host.session for broker, host in self._hosts.items()}

    @property
    def held(self) -> int:
        """Messages taken and not yet acknowledged."""
        return sum(host.held for host in self._hosts.values())

    def check(self) -> tuple[bool, str]:
        """Whether all are connected."""
        away = [
            f"{name}: {host.session.last_error or 'connecting'}"
            for name, host in self._hosts.items()
            if not host.session.connected
        ]
        return not away, "; ".join(away)[:1000] or f"{len(self._hosts)} connected"
