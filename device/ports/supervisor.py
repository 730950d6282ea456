"""All ports of the agent: one supervised task each, for the ports of the settings or for whatever is found."""

import asyncio
import contextlib
from typing import Final

import structlog

from broker.backoff import Backoff
from device.history.event_logs import EventLogs
from device.history.history import History
from device.outbox.durability import Durability
from device.ports.discovery import find_ports
from device.ports.memory import PortMemory
from device.ports.port import Port
from device.readings.context import Context

log = structlog.get_logger()

SEARCH_EVERY_S: Final = 2.0


class Ports:
    """Starts a task for each port when it is first found; a port that vanished is waited for, not forgotten."""

    def __init__(
        self, context: Context, memory: PortMemory, history: History, logs: EventLogs, durability: Durability
    ) -> None:
        self._context = context
        self._memory = memory
        self._history = history
        self._logs = logs
        durability.register(self._take_unsynced)
        self._ports: dict[str, Port] = {}
        self._search = asyncio.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """All ports that this run has found so far."""
        return tuple(self._ports)

    @property
    def all(self) -> tuple[Port, ...]:
        """Their tasks."""
        return tuple(self._ports.values())

    @property
    def damage(self) -> str:
        """What was found wrong with the memory of the ports, empty where it was whole."""
        return self._memory.damage

    def search(self) -> None:
        """Look for ports now."""
        self._search.set()

    def read_now(self, meter: str | None = None) -> None:
        """Read a meter, or all, without waiting for the interval."""
        for port in self._ports.values():
            if meter in (None, port.meter.key):
                port.meter.read_now()

    async def run(self) -> None:
        """Serve all ports until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for path in self._context.settings.ports or find_ports():
                    if path not in self._ports:
                        self._ports[path] = Port(path, self._context, self._memory, self._history, self._logs)
                        group.create_task(self._guard(self._ports[path]), name=f"device.port.{path}")
                        self._context.registry.add_port(path)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SEARCH_EVERY_S):
                        await self._search.wait()
                self._search.clear()

    async def _guard(self, port: Port) -> None:
        backoff = Backoff(first_s=1.0, cap_s=30.0)
        while True:
            try:
                await port.run()
            except Exception:
                log.exception("port_task_failed", port=port.path)
                self._context.metrics.task_failures.labels("port").inc()
                self._context.outgoing.event("port_task_failed", "error", port=port.path)
            await asyncio.sleep(0.5 + backoff.next_s())

    def upkeep(self) -> None:
        """Housekeeping of all ports; call it about once a second."""
        for port in self._ports.values():
            port.meter.upkeep()
        self._history.upkeep()

    def _take_unsynced(self) -> list[int]:
        """Descriptors of held frames to be synced."""
        return [descriptor for port in self._ports.values() for descriptor in port.meter.waiting.take_unsynced()]
