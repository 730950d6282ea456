"""What a host is given as history when connections are lost in between: the real store and edge node, no broker."""

import asyncio
from datetime import UTC, datetime

from broker.sparkplug.decoding import decode
from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.store import NewestReading, StandingMeter
from outlet.metrics import OutletMetrics
from outlet.sparkplug.history import History
from outlet.sparkplug.node import EdgeNode, Message
from store.pool import open_pool
from tests.rigs.ingesting import table
from tests.rigs.outlets import outlet_settings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

NOW = datetime.now(UTC)
FACTS = StandingMeter(
    1, "M:1", None, None, None, None, None, None, None, "pi", online=True, software=None, hardware=None, point="p",
    renamed=False,
)  # fmt: skip


class Line:
    """A connection that takes nothing at first, is lost once before the broker answers, and born again each time."""

    def __init__(self) -> None:
        self.node = EdgeNode("G", "E", "9.9", 300)
        self.lives = 0
        self.sent: list[list[object]] = []
        self.refused = 0
        self.born()

    def born(self) -> None:
        """Births: hosts know the reading of now."""
        newest = NewestReading(1, 1, "1-0:1.8.0", "kWh", "register", NOW, 9.0, None, [9.0])
        self.lives += 1
        self.node.births(Snapshot(NOW, {"M:1": Meter(FACTS, {"1-0:1.8.0": newest})}), self.lives)

    def life(self) -> int | None:
        """The number of the present births."""
        return self.lives

    def told_since(self, at: datetime) -> bool:
        """The look is always newer."""
        return at is not None

    async def confirmed(self) -> None:
        """The first time the connection is lost instead."""
        if len(self.sent) == 1:
            self.born()

    def send(self, messages: list[Message]) -> bool:
        """Refuse what comes first."""
        if messages and not self.refused:
            self.refused = 1
            return False
        if messages:
            self.sent.append([metric.value for _, data in messages for metric in decode(data).metrics])
        return True


async def test_what_a_broker_may_not_have_is_given_again(broker: Broker, database: Database) -> None:
    """Refused, then lost before the broker answered, then given: how far it is, is noted after that alone."""
    line, metrics = Line(), OutletMetrics()
    of = outlet_settings(broker, database, sparkplug={"enabled": True, "history": True})
    dsn = database.dsn("wattline_outlet")
    async with (
        table(database) as asked, open_pool(dsn, min_size=1, max_size=2, application_name="test") as pool,
        asyncio.TaskGroup() as tasks,
    ):  # fmt: skip
        running = tasks.create_task(History(of, line.node, metrics, line, line.send).run(pool))
        await until(lambda: asked.value("SELECT count(*) FROM outlet_cursor WHERE seeded"))
        # now() is one time for all of these
        await asked.execute(
            "INSERT INTO device (name) VALUES ('pi'); INSERT INTO meter (key, device_id) SELECT 'M:1', id FROM device;"
            " INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter;"
            " INSERT INTO reading (time, value, series_id, source)"
            " SELECT now() - interval '2 hours', 7.5, id, 1 FROM series;"
            " INSERT INTO stored_span (from_at, until_at, series) SELECT now() - interval '2 hours',"
            " now() - interval '2 hours', array_agg(id) FROM series"
        )
        await until_equal(lambda: len(line.sent), 2)
        await until_equal(lambda: asked.value("SELECT count(*) FROM stored_span"), 0)
        running.cancel()
    assert line.sent == [[7.5], [7.5]]
    assert (line.refused, line.lives) == (1, 2)
    assert metrics.registry.get_sample_value("wattline_outlet_sparkplug_history_total") == 1
