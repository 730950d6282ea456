"""Releases in a real browser: what a device runs and is to run, why one failed, what runs where, without a reload."""

from broker.contract.messages import Reason
from broker.contract.topics import Kind
from tests.rigs.browsing import browsing, register
from tests.rigs.gateway import entered, send
from tests.rigs.servers import Broker, Database
from tests.rigs.updaters import NEW, OLD, SOURCE, WHY, reported


async def test_software_is_seen_from_the_release_to_the_reason(broker: Broker, database: Database) -> None:
    """Set on the device's page, tried, rolled back with its reason; the fleet's page counts it."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        await at.live()
        software = at.page.locator("#software")
        await software.get_by_text("none: it keeps what it runs").wait_for()
        form = at.page.locator("form.parameters")
        await form.get_by_label("software_release").fill(NEW)
        await form.get_by_label("software_source").fill(SOURCE)
        await form.get_by_role("button", name="Save").click()
        await software.locator(".badge", has_text="no updater").wait_for()
        assert SOURCE in await software.inner_text()
        async with entered(broker, "pi-1") as updater:

            async def say(state: str, **more: object) -> None:
                payload = reported(1, state, **more)  # type: ignore[arg-type]
                await send(updater, broker.topics, Kind.SOFTWARE_REPORTED, "pi-1", payload)

            await say("trial", running=NEW)
            await software.locator("dd .badge", has_text="trial").wait_for()
            await at.go("/")
            releases = at.page.locator("#releases")
            await releases.get_by_role("row", name=f"{NEW} {NEW} trial 1").wait_for()
            await at.live()
            await say("rolled_back", reasons=(Reason(field="release", reason=WHY),))
            await releases.get_by_role("row", name=f"{OLD} {NEW} rolled back 1").wait_for()
        await at.go("/devices/pi-1")
        await software.locator("ul.error", has_text=WHY).wait_for()
        await software.locator("dd .badge.bad", has_text="rolled back").wait_for()
        assert await software.locator("tbody tr").count() == 2
        await software.get_by_role("button", name=f"Try {NEW} again").click()
        await software.locator("dd .badge", has_text="not reported yet").wait_for()
        assert at.complaints == []
        assert at.malformed == []
