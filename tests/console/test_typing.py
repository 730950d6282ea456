"""What a person types is never lost: to the stream of changes, or to scripts that are not there yet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route

from tests.rigs.browsing import Browsing, browsing, register
from tests.rigs.gateway import connection
from tests.rigs.servers import Broker, Database


@contextlib.asynccontextmanager
async def _busy(database: Database) -> AsyncIterator[None]:
    """Every device changes ten times a second."""

    async def change() -> None:
        async with connection(database) as opened:
            while True:
                await opened.execute("UPDATE device SET online = NOT coalesce(online, false)")
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(change())
        yield
        task.cancel()


async def _row_changes(at: Browsing, device: str) -> None:
    async with at.page.expect_response(f"**/devices/{device}/row"):
        pass


async def test_a_search_outlives_what_happens_meanwhile(broker: Broker, database: Database) -> None:
    """While devices change and others come, a row's update takes no other row, and a search is done and stays."""
    async with browsing(broker, database) as at:
        for device in ("pi-1", "pi-2"):
            await register(broker, database, device)
        await at.go("/")
        await at.live()
        keys, shown = at.page.keyboard, at.page.locator("#list tbody tr")
        async with _busy(database):
            await keys.press("/")
            for key in "pi":
                await keys.press(key)
                await _row_changes(at, "pi-1")
                await _row_changes(at, "pi-2")
            assert await shown.count() == 2
            await register(broker, database, "pi-3")
            await shown.nth(2).wait_for()
            await keys.type("-2")
            await at.page.wait_for_url("**q=pi-2*")
            await at.page.locator("#list tbody tr", has_text="pi-3").wait_for(state="detached")
            await _row_changes(at, "pi-2")
            # pi-1 and pi-3 change too, so that the whole list is fetched again
            await at.page.wait_for_event("response", lambda one: "?q=pi-2" in one.url)
            assert await shown.count() == 1
        assert await at.page.locator("#q").input_value() == "pi-2"
        assert await at.page.evaluate("document.activeElement.id") == "q"
        assert at.complaints == []


@pytest.mark.parametrize("checked", [False, True])
async def test_typing_outlives_an_update_that_is_under_way(broker: Broker, database: Database, checked: bool) -> None:
    """A form that was being fetched anew when a person began to type is not replaced; the page says that it is old.

    Also where the check of what is typed broke that fetch off.
    """
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        await at.live()
        form, asked, typed = at.page.locator("form.parameters"), asyncio.Event(), asyncio.Event()
        await form.wait_for()

        async def late(route: Route) -> None:
            asked.set()
            await typed.wait()
            await route.continue_()

        await at.page.route("**/devices/pi-1/parameters", late)
        await at.call("PATCH", "/devices/pi-1/parameters", {"raw_frames": True})
        async with asyncio.timeout(60):
            await asked.wait()
        await form.get_by_label("reading_interval_s").fill("7")
        if checked:
            await form.locator("#p-reading_interval_s-error").get_by_text("0.2 to 86400 s").wait_for()
            await at.page.locator("[data-stale]:not([hidden])").wait_for()
        typed.set()
        await form.locator("[data-stale]").wait_for()
        assert await form.get_by_label("reading_interval_s").input_value() == "7"
        assert at.complaints == []


async def test_keys_count_before_the_scripts_are_there(broker: Broker, database: Database) -> None:
    """A search that is typed while scripts still load is found as soon as they have."""
    async with browsing(broker, database) as at:
        for device in ("pi-1", "pi-2"):
            await register(broker, database, device)
        typed = asyncio.Event()

        async def late(route: Route) -> None:
            await typed.wait()
            await route.continue_()

        await at.page.route("**/vendor/htmx.min.js", late)
        await at.page.goto(at.running.url, wait_until="commit")
        await at.page.locator("#list").wait_for()
        await at.page.keyboard.press("/")
        await at.page.keyboard.type("pi-2")
        assert await at.page.locator("#q").input_value() == "pi-2"
        typed.set()
        await at.page.wait_for_url("**q=pi-2*")
        await at.page.locator("#list tbody tr", has_text="pi-1").wait_for(state="detached")
        assert at.complaints == []
