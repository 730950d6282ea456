"""`make pictures`: draws the console's pages for docs/ with the browser of the tests, on servers of its own."""

import asyncio
from functools import partial
from pathlib import Path

import click
from playwright.async_api import expect

from broker.contract.messages import Reported
from broker.contract.topics import Kind
from deploy.local.stack import LocalStack
from store.migrate import migrate
from tests.rigs.browsing import KEY, TOKEN, Browsing, add_frames, add_readings, browsing, end_browser, register
from tests.rigs.gateway import connection, entered, p1_meter, registration, report, rows, send
from tests.rigs.servers import Broker, Database
from tests.rigs.sources import add_payload, add_source
from tests.rigs.specs import telegram
from tests.rigs.waiting import until

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLACES = ("warsaw", "gdynia", "krakow", "oslo", "vienna", "graz", "brno", "lyon")
SMALL = {"color_scheme": "dark", "viewport": {"width": 390, "height": 780}}


async def fleet(broker: Broker, database: Database) -> None:
    """Devices in several states, one of them with readings."""
    await register(broker, database, "pi-warsaw-0")
    await add_readings(database, 360)
    await add_frames(database, telegram())
    async with connection(database) as opened:
        await opened.execute("UPDATE device SET online = true, last_seen_at = now(), software = '0.2.0'")
    async with entered(broker, "pi-warsaw-0") as session:
        version = (await rows(database, "SELECT version FROM desired"))[0]["version"]
        reported = Reported.model_validate_json(report(version)).model_copy(update={"specs": {KEY: "generic-p1@1"}})
        await send(session, broker.topics, Kind.REPORTED, "pi-warsaw-0", reported.payload())
    for number, place in enumerate(PLACES, 1):
        name = f"pi-{place}-{number}"
        await broker.add_device(name)
        async with entered(broker, name) as session:
            meter = p1_meter(f"KFM:E00{number:02}", manufacturer="KFM", facts={"identification": "KFM5KAIFA-METER"})
            await send(session, broker.topics, Kind.REGISTRATION, name, registration(meter))
        known = "SELECT 1 FROM device WHERE name = $1"
        await until(partial(rows, database, known, name), f"{name} is registered")
        async with connection(database) as opened:
            await opened.execute(
                "UPDATE device SET online = $2, last_seen_at = now() - $3 * INTERVAL '1 minute' WHERE name = $1",
                name, number % 4 != 0, number * (60 if number % 4 == 0 else 0),
            )  # fmt: skip


async def draw(at: Browsing, name: str, path: str, wait: str) -> None:
    """One picture of a page."""
    await at.go(path)
    await at.page.locator(wait).first.wait_for()
    # what a closed part holds is loaded as it is opened
    await expect(at.page.get_by_text("Loading…").filter(visible=True)).to_have_count(0)
    await at.page.locator(wait).first.scroll_into_view_if_needed()
    await at.page.screenshot(path=DOCS / f"console-{name}.png")
    click.echo(f"docs/console-{name}.png")


async def main() -> None:
    """Draw them all."""
    async with LocalStack.start(durable=False, database=None) as stack:
        database = Database(stack.postgres, "pictures")
        await stack.postgres.create_database(database.name)
        await migrate(database.dsn())
        broker = Broker(stack.mosquitto)
        async with browsing(broker, database, viewport={"width": 1280, "height": 760}) as at:
            await fleet(broker, database)
            await at.call("PUT", "/groups/warsaw", {"selector": "site=warsaw"})
            await at.call("PATCH", "/devices/pi-warsaw-0/labels", {"site": "warsaw", "floor": "cellar"})
            await draw(at, "fleet", "/", "#list tbody tr:nth-child(9)")
            await draw(at, "device", "/devices/pi-warsaw-0", "[data-points]")
            steps = {"parameters": {"reading_interval_s": 5}, "steps": ["30%", "60%"], "settle_s": 120}
            stage = await at.call("POST", "/parameters:stage", steps, author="anna", reason="faster")
            await draw(at, "stage", f"/stages/{stage['id']}", "#stage tbody tr:nth-child(3)")
            await draw(at, "spec", f"/specs/edit?meter={KEY}", "#report .error")
            await add_source(database)
            await add_payload(database, {"id": "7", "t": "2026-11-20T00:00:00Z", "kwh": 100})
            await draw(at, "source", "/sources/acme", "#report tbody tr")
        async with browsing(broker, database, token=TOKEN, **SMALL) as at:
            await draw(at, "phone", "/devices/pi-warsaw-0", "[data-points]")
        await end_browser()


if __name__ == "__main__":
    asyncio.run(main())
