"""A device's page follows what the device does: when it was last heard of, and what came of a command."""

import re

from broker.contract.messages import Reply
from broker.contract.topics import Kind
from broker.mqtt.session import Publication
from tests.rigs.browsing import add_readings, browsing, register
from tests.rigs.gateway import BOOT, connection, entered
from tests.rigs.gateway import rows as found
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

MESSAGE = (
    "INSERT INTO message (received_at, seq, device_id, rows, kind, boot) SELECT now(), 1, id, 1, 1, $1 FROM device"
)


async def test_last_seen_and_commands_are_followed(broker: Broker, database: Database) -> None:
    """A message makes the device seen at once; a reply comes into the list, and what is typed beside it stays."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        async with connection(database) as opened:
            await opened.execute("UPDATE device SET last_seen_at = now() - INTERVAL '3 hours'")
        await at.go("/devices/pi-1")
        await at.live()
        seen, commands = at.page.locator("#seen"), at.page.locator("#commands")
        await seen.get_by_text("3 hours ago").wait_for()
        async with connection(database) as opened:
            await opened.execute(MESSAGE, BOOT)
        await seen.get_by_text(re.compile("now|second|minute")).wait_for()
        await commands.locator("[name=arguments]").fill('{"minutes"')
        given = await at.call("POST", "/devices/pi-1/commands/ping", {}, timeout_s="600")
        row = commands.locator("tbody tr", has_text="ping")
        await row.get_by_text("sent").wait_for()
        published = "SELECT 1 FROM command WHERE published_at IS NOT NULL"
        await until(lambda: found(database, published), "it is published")
        async with entered(broker, "pi-1") as device:
            reply = Reply(command="ping", ok=True, result={"uptime_s": 5}).payload()
            topic = broker.topics.of(Kind.REPLIES, "pi-1")
            await device.publish(Publication(topic, reply, correlation=given["id"].encode()))
            await row.locator(".badge.good", has_text="replied").wait_for()
        await row.get_by_text("result").click()
        await at.call("POST", "/devices/pi-1/commands/identify", {}, timeout_s="600")
        await commands.locator("tbody tr", has_text="identify").wait_for()
        assert "uptime_s" in await row.inner_text()
        assert await commands.locator("[name=arguments]").input_value() == '{"minutes"'
        assert at.complaints == []


async def test_times_of_a_chart_are_local_and_of_24_hours(broker: Broker, database: Database) -> None:
    """The axis reads 15:35, in the browser's zone; a parameter's name is one line."""
    zone = {"timezone_id": "Asia/Kolkata", "locale": "en-US"}
    async with browsing(broker, database, **zone) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        await at.go("/devices/pi-1")
        await at.live()
        await at.page.locator("[data-points]").wait_for()
        drawn = "[...document.querySelectorAll('[data-chart]')][0].plot"
        first, shown, again = await at.page.evaluate(
            f"() => {{ const plot = {drawn}, at = plot.data[0][0];"
            " return [plot.axes[0].values(plot, [1793527500, 1793531100])[0], plot.series[0].value(plot, 1793527500),"
            " plot.axes[0].values(plot, [1793527500, 1793531100])[1]]; }"
        )
        assert (first, shown, again) == ("15:35\n1 Nov", "1 Nov 15:35:00", "16:35")
        await at.page.get_by_label("Range").select_option("6")
        await at.page.locator("[data-hours='6'][data-points]").wait_for()
        async with at.page.expect_response("**/devices/pi-1/meters"), connection(database) as opened:
            await opened.execute("UPDATE device SET software = '0.9.9'")
        await at.page.locator("#state", has_text="0.9.9").wait_for()
        assert await at.page.get_by_label("Range").input_value() == "6"
        assert await at.page.locator("[data-hours='6'] canvas").count() == 1
        label = at.page.locator("label[for=p-publish_interval_s] code")
        lines = "one => one.getClientRects().length"
        assert await label.evaluate(lines) == 1
        assert at.complaints == []


async def test_what_is_open_stays_open(broker: Broker, database: Database) -> None:
    """Readings and history that somebody looks at aren't shut when the device changes meanwhile."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        await at.go("/devices/pi-1")
        await at.live()
        folds = [at.page.get_by_text(name, exact=True) for name in ("Latest readings", "History")]
        for fold in folds:
            await fold.click()
        await at.page.locator("h1").click()  # a form that has the focus is not fetched anew
        reading = at.page.get_by_role("cell", name="Energy, import")
        await reading.wait_for()
        parts = [at.page.locator("#meters"), at.page.locator("form.parameters")]
        for part in parts:
            await part.evaluate("one => { one.dataset.old = true; }")
        async with connection(database) as opened:
            await opened.execute("UPDATE device SET software = '0.9.9'")
        await at.call("PATCH", "/devices/pi-1/parameters", {"publish_interval_s": 7})
        for part in parts:
            await part.and_(at.page.locator(":not([data-old])")).wait_for()
        for fold in folds:
            assert await fold.evaluate("one => one.closest('details').open"), await fold.inner_text()
        await reading.wait_for()
        assert at.complaints == []
