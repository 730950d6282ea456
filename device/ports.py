"""All ports of the agent: one supervised task each, for the ports of the settings or for whatever is found."""

import asyncio
import contextlib
from typing import Final

import structlog

from broker.backoff import Backoff
from device.context import Context
from device.discovery import find_ports
from device.port import Port

log = structlog.get_logger()

LOOK_EVERY_S: Final = 2.0


class Ports:
    """Starts a task for each port when it is first seen; a port that vanished is waited for, not forgotten."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ports: dict[str, Port] = {}
        self._look = asyncio.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """All ports ever seen by this run."""
        return tuple(self._ports)

    @property
    def all(self) -> tuple[Port, ...]:
        """Their tasks."""
        return tuple(self._ports.values())

    def look(self) -> None:
        """Look for ports now."""
        self._look.set()

    def hurry(self, meter: str | None) -> None:
        """Read a meter, or all, without waiting for the interval."""
        for port in self._ports.values():
            if meter in (None, port.meter.key):
                port.meter.hurry()

    async def run(self) -> None:
        """Serve all ports until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for path in self._context.settings.ports or find_ports():
                    if path not in self._ports:
                        self._ports[path] = Port(path, self._context)
                        group.create_task(self._guard(self._ports[path]), name=f"device.port.{path}")
                        self._context.registry.changed()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._look.wait()
                self._look.clear()

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

    def take_unsynced(self) -> list[int]:
        """Descriptors of held frames to be synced."""
        return [descriptor for port in self._ports.values() for descriptor in port.meter.take_unsynced()]
