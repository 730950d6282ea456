"""What every page of the console owes its reader: a way back, the keyboard's edit, names, help and an axis to read."""

import json

import pytest

from tests.rigs.browsing import KEY, Browsing, add_frames, add_readings, browsing, register
from tests.rigs.gateway import connection
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import telegram
from tests.rigs.strict_html import faults

TRAILS = {
    "/devices/pi-1": ["/"],
    f"/meters/{KEY}/frames": ["/", "/devices/pi-1"],
    "/specs/generic-p1/1": ["/specs"],
    "/specs/edit": ["/specs"],
    "/groups/warsaw": ["/groups"],
    "/stages/1": ["/stages"],
}
EDITS = {
    "/devices/pi-1": "reading_interval_s",
    "/parameters": "reading_interval_s",
    "/groups": "group",
    "/groups/warsaw": "reading_interval_s",
    "/specs/edit": "text",
    "/access": "name",
    "/stages/1": "reason",
}


async def _furnish(at: Browsing, broker: Broker, database: Database) -> None:
    await register(broker, database, "pi-1")
    await add_readings(database)
    await add_frames(database, telegram())
    await at.call("PUT", "/groups/warsaw", {"selector": "site=warsaw"})
    steps = {"parameters": {"log_level": "debug"}, "steps": ["50%"], "settle_s": 600}
    await at.call("POST", "/parameters:stage", steps)


async def test_every_page_leads_back(broker: Broker, database: Database) -> None:
    """A page below another names the pages above it; a meter's frames lead to its device, its spec or its group."""
    async with browsing(broker, database) as at:
        await _furnish(at, broker, database)
        for path, above in TRAILS.items():
            await at.go(path)
            trail = at.page.get_by_role("navigation", name="Breadcrumb").get_by_role("link")
            assert [await one.get_attribute("href") for one in await trail.all()] == above, path
        await at.go("/devices/pi-1")
        await at.page.get_by_role("link", name="raw frames").click()
        await at.page.get_by_role("heading", name="Raw frames").wait_for()
        await at.page.locator("main").get_by_role("link", name="unknown product").click()
        await at.page.wait_for_url("**/unknown/*")
        await (
            at.page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Unknown products").wait_for()
        )
        await at.page.get_by_role("link", name="raw frames").click()
        await at.page.get_by_role("link", name="Readings on pi-1").click()
        await at.page.wait_for_url("**/devices/pi-1#meter-*")
        assert at.complaints == []


async def test_e_leads_to_what_can_be_edited(broker: Broker, database: Database) -> None:
    """The key works on every page that has something to edit."""
    async with browsing(broker, database) as at:
        await _furnish(at, broker, database)
        for path, name in EDITS.items():
            await at.go(path)
            await at.page.locator("[data-edit]").first.wait_for()
            await at.page.keyboard.press("e")
            assert await at.page.evaluate("document.activeElement.name") == name, path
        await at.go("/specs/generic-p1/1")
        await at.page.keyboard.press("e")
        assert await at.page.evaluate("document.activeElement.textContent") == "Edit as a new version"


async def test_every_parameter_says_what_it_does(broker: Broker, database: Database) -> None:
    """Its help, its unit and its bounds stand in the form, and screen readers read them with the field."""
    async with browsing(broker, database) as at:
        await at.go("/parameters")
        rows = await at.page.locator("form.parameters tbody tr").all()
        for row in rows:
            field = row.locator("input, select")
            named = (await field.get_attribute("aria-describedby") or "").split()
            told = [await at.page.locator(f"#{name}").inner_text() for name in named]
            assert "default " in told[0]
            assert len(told[1].split()) >= 8
        assert "0.2 to 86400 s; default 10 s" in await rows[0].inner_text()


async def test_codes_have_names(broker: Broker, database: Database) -> None:
    """Chart and latest readings say what a code measures."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        await at.go("/devices/pi-1")
        options = await at.page.get_by_label("Quantity").locator("option").all_inner_texts()
        assert [one.strip() for one in options] == ["Power, net (kW) · 1-0:16.7.0", "Energy, import (kWh) · 1-0:1.8.0"][
            ::-1
        ]
        await at.page.get_by_text("Latest readings").click()
        await at.page.get_by_role("cell", name="Energy, import").wait_for()
        await at.page.locator(".u-legend", has_text="Power, net").wait_for()


async def test_a_frame_is_explained_in_names(broker: Broker, database: Database) -> None:
    """What a kept frame means stands in a table with names and units, and every byte behind it."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_frames(database, telegram(), 1)
        await add_frames(database, b"\xff\x00", 1)
        await at.go(f"/meters/{KEY}/frames")
        for row in await at.page.locator("table.cards > tbody > tr").all():
            await row.locator("summary").first.click()
            await row.get_by_role("button", name="Explain").click()
            await row.get_by_text("Every byte explained").wait_for()
        await at.page.get_by_role("row", name="Energy, import 1-0:1.8.0 1234.567 kWh").wait_for()
        await at.page.get_by_text("2 bytes, 0 telegrams").wait_for()
        assert at.complaints == []


@pytest.mark.parametrize("count", [1, 3, 90])
async def test_an_axis_fits_what_there_is(broker: Broker, database: Database, count: int) -> None:
    """One value stands on an axis of a minute; ticks of a short axis differ from one another."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_readings(database, 0)
        async with connection(database) as opened:
            await opened.execute(
                "INSERT INTO reading (time, value, series_id, source) SELECT now() - n * INTERVAL '5 s', 0.482, id, 0"
                " FROM series, generate_series(1, $1) n WHERE obis = '1-0:16.7.0'", count - 1,
            )  # fmt: skip
        await at.go("/devices/pi-1")
        chart = at.page.locator(f"[data-points='{count}']")
        await chart.wait_for()
        note = await at.page.locator("figcaption").inner_text()
        assert note.startswith("1 reading," if count == 1 else f"{count} readings,")
        axis = await chart.evaluate(
            "one => ({low: one.plot.scales.x.min, high: one.plot.scales.x.max, ticks: one.plot.axes[0]._values,"
            " y: [one.plot.scales.y.min, one.plot.scales.y.max]})"
        )
        assert 60 <= axis["high"] - axis["low"] <= max(61, 5 * count), json.dumps(axis)
        assert len(axis["ticks"]) >= 2
        assert len(set(axis["ticks"])) == len(axis["ticks"]), axis["ticks"]
        assert axis["y"][0] < 0.8 < axis["y"][1]
        assert axis["y"][1] - axis["y"][0] < 1


async def test_refusals_are_in_words_of_the_page(broker: Broker, database: Database) -> None:
    """They name the field as the form does, and say what is wanted; a role that is not enough says which is."""
    async with browsing(broker, database, token=None) as at:
        await register(broker, database, "pi-1")
        viewer = (await at.call("POST", "/tokens", {"name": "anna", "role": "viewer"}))["token"]
        engineer = (await at.call("POST", "/tokens", {"name": "bert", "role": "engineer"}))["token"]
        await at.log_in(viewer)
        await at.go("/access")
        await at.page.get_by_text("anna has the role viewer; to see tokens, the role admin is needed").wait_for()
        await at.page.get_by_role("button", name="Log out").click()
        await at.page.wait_for_url("**/login")
        await at.log_in(engineer)
        await at.go("/devices/pi-1")
        await at.page.locator("#commands input[name=arguments]").fill("[1]")
        await at.page.get_by_role("button", name="Send").click()
        await at.page.get_by_text('arguments: must be a JSON object, such as {"name": "value"} (got [1])').wait_for()


def test_the_strict_reader_refuses_what_a_browser_forgives() -> None:
    """Attributes that are glued, doubled or of no one's; tags that do not nest; a bare bracket."""
    assert faults('<p id="a" data-edit>text &lt; more <b>bold</b></p>') == []
    for html in (
        '<input name="a" data-editinputmode="decimal">',
        '<input name="a"value="b">',
        '<input name="a" name="b">',
        "<p><div>text</div></p>",
        "<div><b>text</div></b>",
        "<div>text",
        "<div>1 < 2</div>",
        '<i id="a"></i><i id="a"></i>',
    ):
        assert faults(html), html
