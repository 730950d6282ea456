"""The outlet as a service: what it opens, the tasks it runs, how it stops."""

import asyncio
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import structlog

from broker.errors import PermanentError
from broker.runtime.http_server import serve_health
from broker.runtime.service import Health
from outlet.fleet.watch import FleetWatch
from outlet.home_assistant.publisher import HomeAssistant
from outlet.lines.exporter import LineExporter
from outlet.metrics import OutletMetrics
from outlet.prometheus.collector import MeterCollector
from outlet.settings import OutletSettings
from outlet.sparkplug.publisher import Sparkplug
from store.migrate import require_migrated
from store.pool import open_pool

log = structlog.get_logger()


async def run(settings: OutletSettings, stop: asyncio.Event) -> None:
    """Give to others until `stop` is set.

    Raises PermanentError where a person must act: credentials, rights, a database that was not migrated, no output.
    """
    outputs = settings.outputs()
    if not outputs:
        raise PermanentError(
            f"no output is switched on: set {settings.variable('home_assistant')}__ENABLED=true, or "
            f"{settings.variable('lines')}__URL; docs/OUTLET.md has them all"
        )
    outlet = Outlet(settings)
    async with serve_health(outlet.health, outlet.metrics.registry, settings), asyncio.TaskGroup() as group:
        working = group.create_task(outlet.work(), name="outlet.work")
        log.info("outlet_started", outputs=outputs)
        await stop.wait()
        log.info("outlet_stopping")
        working.cancel()
    log.info("outlet_stopped")


class Outlet:
    """The outputs that are switched on, over the one look at the store."""

    def __init__(self, settings: OutletSettings) -> None:
        self.metrics, self.health = OutletMetrics(), Health()
        self._settings = settings
        self._watch = FleetWatch(settings.look_every_s, settings.most_meters, self.metrics)
        self.health.add("database", self._watch.probe.check)
        self._home_assistant: HomeAssistant | None = None
        if settings.home_assistant.enabled:
            self._home_assistant = HomeAssistant(settings, self._watch, self.metrics, software())
            self._watched("home_assistant", self._home_assistant.check)

        if settings.meter_metrics:
            self.metrics.registry.register(MeterCollector(self._watch, settings.silent_s))
        self._sparkplug: Sparkplug | None = None
        if settings.sparkplug.enabled:
            self._sparkplug = Sparkplug(settings, self._watch, self.metrics, software())
            self._watched("sparkplug", self._sparkplug.check)
        self._lines: LineExporter | None = None
        if settings.lines.url:
            self._lines = LineExporter(settings.lines, settings.look_every_s, self.metrics)
            self._watched("lines", self._lines.check)

    def _watched(self, output: str, check: Callable[[], tuple[bool, str]]) -> None:
        self.health.add(output, check)
        self.metrics.watch(output, check)

    async def work(self) -> None:
        """Run all outputs; one that waits for its receiver holds up no other."""
        settings = self._settings
        dsn = settings.database_dsn.get_secret_value()
        async with open_pool(dsn, min_size=1, max_size=3, application_name=settings.client_id) as pool:
            await require_migrated(pool)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch.keep(pool), name="outlet.watch")
                if self._sparkplug is not None:
                    group.create_task(self._sparkplug.run(pool), name="outlet.sparkplug")
                if self._lines is not None:
                    group.create_task(self._lines.run(pool), name="outlet.lines")
                if self._home_assistant is not None:
                    group.create_task(self._home_assistant.run(), name="outlet.home_assistant")


def software() -> str:
    """Our own version, as others are told it."""
    try:
        return version("wattline")
    except PackageNotFoundError:
        return "unknown"
