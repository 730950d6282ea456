"""The bridge as a service: what it opens, the tasks it runs, how it stops."""

import asyncio
from typing import Final

import click
import structlog

from broker.errors import PermanentError
from broker.mqtt.session import Session
from broker.outage import Outage
from broker.runtime.http_server import serve_health
from broker.runtime.service import Health, load, run_service
from broker.runtime.settings_help import settings_help
from intake.bridge.admission import Admission
from intake.bridge.book import SourceBook
from intake.bridge.keeping import Keeper
from intake.bridge.links import Links
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.pipeline import Pipeline
from intake.bridge.scout import Scout
from intake.bridge.settings import BridgeSettings
from intake.bridge.sparkplug.host import SparkplugHost
from intake.bridge.sparkplug.hosts import Hosts
from intake.bridge.store import REFUSED, mqtt_sources
from intake.inbox.inbox import Inbox, InboxBounds, open_inbox
from intake.notices.notices import Notices
from store.errors import DATABASE_ERRORS, heals
from store.migrate import require_migrated
from store.pool import Pool, open_pool
from store.probe import DatabaseProbe
from store.source_settings import OUR_BROKER

log = structlog.get_logger()
NAME: Final = "wattline-bridge"


@click.command(epilog=settings_help(BridgeSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Take what other people's devices publish by MQTT, as sources say, until SIGTERM or SIGINT."""
    run_service("bridge", load(BridgeSettings), run)


async def run(settings: BridgeSettings, stop: asyncio.Event) -> None:
    """Bridge until `stop`; then store and acknowledge what was taken, within stop_deadline_s.

    Raises PermanentError where a person must act: a database login, a database that was not migrated.
    """
    bridge = Bridge(settings)
    async with serve_health(bridge.health, bridge.metrics.registry, settings), asyncio.TaskGroup() as group:
        working = group.create_task(bridge.work(stop), name="bridge.work")
        await stop.wait()
        log.info("bridge_stopping")
        if not bridge.connected:
            working.cancel()
    log.info("bridge_stopped")


class Bridge:
    """What the service consists of."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self.metrics = BridgeMetrics()
        self.health = Health()
        self.connected = False
        self._probe = DatabaseProbe()
        self._outage = Outage()
        self._book = SourceBook(settings.broker.root)
        self._notices = Notices(self.metrics.events_lost)
        self.health.add("database", self._probe.check)

    async def work(self, stop: asyncio.Event) -> None:
        """Connect to the database, then to the brokers as sources ask for them."""
        settings = self._settings
        dsn = settings.database_dsn.get_secret_value()
        async with open_pool(dsn, min_size=1, max_size=6, application_name=NAME) as pool:
            await require_migrated(pool)
            async with open_inbox(pool, InboxBounds(), self.metrics.inbox, settings.stop_deadline_s) as inbox:
                self.connected = True
                log.info("bridge_started", client_id=settings.client_id, brokers=[OUR_BROKER, *settings.brokers])
                await self._bridge(pool, inbox, stop)

    async def _bridge(self, pool: Pool, inbox: Inbox, stop: asyncio.Event) -> None:
        settings = self._settings
        keeper = Keeper(inbox, Admission(settings), self._notices, self.metrics, settings)
        scout = Scout(self._book, self.metrics, settings.discovery_prefix, enabled=settings.discovery)

        def make(broker: str, session: Session) -> Pipeline:
            return Pipeline(broker, session, pool, self._book, keeper, scout, self.metrics, settings)

        links = Links(settings, self._book, self.metrics, make, scout.filters())

        def make_host(broker: str) -> SparkplugHost | None:
            address = settings.address(broker)
            if address is None:
                return None
            return SparkplugHost(broker, address, settings, self._book, keeper, self._notices, self.metrics)

        hosts = Hosts(self._book, make_host, settings.stop_deadline_s)
        self.health.add("brokers", links.check)
        self.health.add("sparkplug", hosts.check)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(pool, links, hosts, group), name="bridge.follow")
            scouting = group.create_task(scout.keep(pool, settings.refresh_s), name="bridge.scout")
            telling = group.create_task(self._notices.keep(pool), name="bridge.notices")
            await stop.wait()
            following.cancel()
            drained, _ = await asyncio.gather(links.drain(settings.stop_deadline_s), hosts.close())
            if not drained:
                log.warning("stopped_before_all_was_stored", note="what has QoS 1 is given again")
            await links.close()
            telling.cancel()
            scouting.cancel()

    async def _follow(self, pool: Pool, links: Links, hosts: Hosts, group: asyncio.TaskGroup) -> None:
        """Read the sources now and then, and subscribe to what they name."""
        brokers = {OUR_BROKER: None, **self._settings.brokers}
        while True:
            try:
                rows = await mqtt_sources(pool)
            except DATABASE_ERRORS as error:
                if not heals(error):
                    raise PermanentError(REFUSED.format(error)) from error
                self._outage.failed("sources_unknown", reason=self._probe.failed(error))
            else:
                self._outage.back("sources_known")
                self._probe.answered()
                before = self._book.faults
                self._book.read(rows, brokers)
                for name, fault in self._book.faults.items():
                    if before.get(name) != fault:
                        self._notices.tell(name, "source_not_bridged", reason=fault)
                await links.follow(group)
                await hosts.follow(group)
            # while the database is away, too
            links.measure(hosts)
            await asyncio.sleep(self._settings.refresh_s)


if __name__ == "__main__":
    main()
