"""The engineers' console in a real headless Chromium, on a real gateway, broker and database."""

import json
from datetime import datetime, timedelta

import aiohttp
import pytest

from broker.contract.topics import Kind
from tests.rigs.browsing import KEY, TOKEN, add_frames, add_readings, browsing, register
from tests.rigs.gateway import connection, entered, report, rows, send
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import telegram
from tests.rigs.waiting import until

PAGES = {
    "/": "Fleet",
    "/devices/pi-1": "pi-1",
    f"/meters/{KEY}/frames": "Raw frames",
    "/unknown": "Unknown products",
    "/specs": "Specs",
    "/specs/generic-p1/1": "generic-p1@1",
    "/specs/edit": "Spec editor",
    "/parameters": "Parameters",
    "/groups": "Groups",
    "/stages": "Staged changes",
    "/jobs": "Jobs",
    "/enrolments": "Enrolment",
    "/access": "Tokens",
    "/docs": "Wattline",
}


async def test_every_page_is_drawn_without_a_complaint(broker: Broker, database: Database) -> None:
    """Each page shows its heading; the browser reports no script error and no content that the policy refuses."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        await add_frames(database, telegram())
        for path, heading in PAGES.items():
            await at.go(path)
            await at.page.get_by_role("heading", name=heading).first.wait_for()
            assert await at.page.locator("html").get_attribute("lang") == "en"
            unlabelled = "[...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]"
            if path != "/docs":
                assert (
                    await at.page.evaluate(f"{unlabelled}.filter(one => !one.labels.length).map(one => one.name)") == []
                )
        await at.go("/devices/pi-1")
        await at.page.locator("[data-points]").wait_for()
        assert int(await at.page.locator("[data-points]").get_attribute("data-points") or 0) >= 59
        assert await at.page.locator(".chart canvas").count() == 1
        assert at.complaints == []


async def test_a_parameter_is_checked_as_it_is_typed_and_saved(broker: Broker, database: Database) -> None:
    """A wrong value is told by its field and not saved; a good one is stored, published, and its report comes live."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        await at.live()
        field = at.page.get_by_label("reading_interval_s")
        await field.fill("0.1")
        error = at.page.locator("#p-reading_interval_s-error.error")
        await error.wait_for()
        assert "0.2" in await error.inner_text()
        await at.page.locator("#p-reading_interval_s[aria-invalid=true]").wait_for()
        assert await at.page.locator("#save").is_disabled()
        await field.fill("5")
        await at.page.locator("#save:enabled").wait_for()
        await at.page.get_by_label("Reason").first.fill("trial")
        await at.page.locator("#save").click()
        await at.page.locator(".done", has_text="Changed reading_interval_s").wait_for()
        layer = (await rows(database, "SELECT * FROM parameter_document WHERE scope = 'device:pi-1'"))[0]
        assert (layer["reason"], '"reading_interval_s": 5' in layer["document"]) == ("trial", True)
        version = (await rows(database, "SELECT version FROM desired"))[0]["version"]
        async with entered(broker, "pi-1") as session:
            payload = report(version, reading_interval_s=5)
            await send(session, broker.topics, Kind.REPORTED, "pi-1", payload)
            await at.page.locator("#state .badge.good", has_text="in step").wait_for()
        await at.page.get_by_text("History", exact=True).click()
        await at.page.locator("table.history", has_text="trial").wait_for()
        done = await rows(database, "SELECT * FROM audit WHERE action = 'patchDeviceParameters'")
        assert [(one["actor"], one["status"], one["path"]) for one in done] == [
            ("api", 200, "/devices/pi-1/parameters")
        ]


async def test_someone_elses_change_is_not_overwritten(broker: Broker, database: Database) -> None:
    """A form that was opened before another change is refused with what to do, and what was typed stays."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        field = at.page.get_by_label("reading_interval_s")
        await field.fill("7")
        await at.page.locator("form.dirty").wait_for()
        await at.call("PATCH", "/devices/pi-1/parameters", {"raw_frames": True})
        await at.page.locator("#save").click()
        await at.page.locator(
            ".error", has_text="have changed since they were read; last: api changed device:pi-1 at 20"
        ).wait_for()
        assert await field.input_value() == "7"


async def test_devices_are_found_by_their_labels(broker: Broker, database: Database) -> None:
    """A selector leaves those that it fits, and stands in the address; one that is none is told."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await register(broker, database, "pi-2", meter={"port": "/dev/ttyUSB1"})
        await at.call("PATCH", "/devices/pi-2/labels", {"site": "warsaw"})
        await at.go("/")
        await at.page.locator("#list tbody tr", has_text="pi-1").wait_for()
        field = at.page.get_by_label("Labels")
        await field.fill("site=warsaw")
        await field.press("Enter")
        await at.page.wait_for_url("**selector=site%3Dwarsaw*")
        await at.page.locator("#list tbody tr", has_text="pi-1").wait_for(state="detached")
        await at.page.locator("#list tbody tr", has_text="pi-2").wait_for()
        await field.fill("no condition")
        await field.press("Enter")
        await at.page.locator("#notice", has_text="no condition").wait_for()


async def test_a_page_that_is_none_is_told_in_a_page(broker: Broker, database: Database) -> None:
    """A browser gets one in the console's looks, also where nobody is logged in; the API and scripts get a problem."""
    async with browsing(broker, database, token=None) as at:
        await at.go("/nope")
        await at.page.get_by_role("heading", name="Not found").wait_for()
        await at.page.get_by_text("There is no page /nope.").wait_for()
        assert await at.page.get_by_role("navigation").count() == 0
        await at.page.get_by_role("link", name="Back to the fleet").click()
        await at.log_in(TOKEN)
        await at.go("/nope/<b>here</b>")
        await at.page.get_by_text("There is no page /nope/<b>here</b>.").wait_for()
        await at.page.get_by_role("navigation").wait_for()
        for path, accept in (("/nope", "*/*"), ("/api/v1/nope", "text/html")):
            async with at.running.http.get(f"{at.running.url}{path}", headers={"Accept": accept}) as response:
                assert response.content_type == "application/problem+json"


async def test_the_keyboard_is_enough(broker: Broker, database: Database) -> None:
    """Search, rows, pages, theme and help are reached without a mouse."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await register(broker, database, "pi-2", meter={"port": "/dev/ttyUSB1"})
        await at.go("/")
        keys = at.page.keyboard
        await keys.press("/")
        await keys.type("pi-2")
        await at.page.wait_for_url("**q=pi-2*")
        await at.page.locator("#list tbody tr", has_text="pi-1").wait_for(state="detached")
        await keys.press("Escape")
        await keys.press("j")
        await keys.press("Enter")
        await at.page.wait_for_url("**/devices/pi-2")
        await keys.press("?")
        await at.page.locator("dialog[open]").wait_for()
        await keys.press("Escape")
        await keys.press("g")
        await keys.press("s")
        await at.page.wait_for_url("**/specs")
        before = await at.page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor")
        await keys.press("t")
        assert before != await at.page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor")
        assert at.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_in_light_and_dark(broker: Broker, database: Database, scheme: str) -> None:
    """Nothing is wider than a phone, and text stands out from its ground by 4.5 to 1 (WCAG 2.2 1.4.3)."""
    look = {"color_scheme": scheme, "viewport": {"width": 360, "height": 740}}
    async with browsing(broker, database, **look) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        for path in ("/", "/devices/pi-1", "/specs", "/parameters", "/groups", "/access"):
            await at.go(path)
            await at.page.wait_for_load_state("networkidle") if path == "/parameters" else None
            assert await at.page.evaluate("document.documentElement.scrollWidth") <= 360, path
        colours = await at.page.evaluate(
            """() => { const style = getComputedStyle(document.documentElement);
            return ['ink', 'soft', 'accent', 'good', 'bad', 'warn', 'card', 'good-back', 'bad-back', 'warn-back']
              .map(name => [name, style.getPropertyValue('--' + name).trim()]); }"""
        )
        named = dict(colours)
        pairs = [
            ("ink", "card"),
            ("soft", "card"),
            ("accent", "card"),
            *((n, f"{n}-back") for n in ("good", "bad", "warn")),
        ]
        for ink, ground in pairs:
            assert _contrast(named[ink], named[ground]) >= 4.5, (ink, ground)


async def test_what_a_device_says_is_never_markup(broker: Broker, database: Database) -> None:
    """Script and markup in a registration are shown as the text that they are."""
    evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
    async with browsing(broker, database) as at:
        await register(
            broker,
            database,
            "pi-1",
            model=evil,
            meter={"manufacturer": evil[:60], "product": "</textarea>" + evil[:60]},
        )
        for path in ("/", "/devices/pi-1", "/unknown", f"/meters/{KEY}/frames"):
            await at.go(path)
            assert await at.page.evaluate("window.pwned") is None
            assert await at.page.locator("img[onerror]").count() == 0
        await at.go("/devices/pi-1")
        await at.page.get_by_text(evil, exact=False).first.wait_for()
        assert at.complaints == []


async def test_roles_hold_in_the_console(broker: Broker, database: Database) -> None:
    """A viewer sees and can't change; what the page does not offer is refused and audited; scripts get no cookie."""
    async with browsing(broker, database, token=None) as at:
        await register(broker, database, "pi-1")
        viewer = (await at.call("POST", "/tokens", {"name": "anna", "role": "viewer"}))["token"]
        await at.go("/devices/pi-1")
        assert "/login?next=/devices/pi-1" in at.page.url
        await at.page.get_by_label("Token").fill("wrong")
        await at.page.get_by_role("button", name="Log in").click()
        await at.page.locator("#token-error").wait_for()
        await at.log_in(viewer)
        await at.go("/devices/pi-1")
        await at.page.get_by_text("needs the role engineer").first.wait_for()
        field = at.page.get_by_label("reading_interval_s")
        assert await field.is_disabled()
        style = "one => [getComputedStyle(one).borderTopStyle, getComputedStyle(one).cursor]"
        assert await field.evaluate(style) == ["dashed", "not-allowed"], "it looks like what it is"
        assert await at.page.get_by_role("link", name="Access").count() == 0
        assert await at.page.locator("#labels, #commands").get_by_role("button").count() == 0
        await at.go("/groups")
        assert await at.page.locator("#groups").get_by_role("button").count() == 0
        (cookie,) = await at.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        jar = {"Cookie": f"{cookie['name']}={cookie['value']}"}
        url = f"{at.running.url}/devices/pi-1/parameters"
        async with at.running.http.post(url, data={"raw_frames": "true"}, headers=jar) as response:
            assert response.status == 403
        refused = await rows(database, "SELECT actor, action FROM audit WHERE status = 403")
        assert [tuple(one.values()) for one in refused] == [("anna", "patchDeviceParameters")]
        foreign = {**jar, "Origin": "http://evil.example"}
        async with at.running.http.post(f"{at.running.url}/logout", headers=foreign) as response:
            assert response.status == 403
        await at.page.get_by_role("button", name="Log out").click()
        await at.page.wait_for_url("**/login")
        async with at.running.http.get(at.running.url, headers=jar, allow_redirects=False) as response:
            assert response.status == 303


async def test_a_command_is_given_and_shown(broker: Broker, database: Database) -> None:
    """A command goes to the device, and its state stands in the page; a wrong argument is told."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        await at.page.locator("#commands select").select_option("ping")
        await at.page.get_by_role("button", name="Send").click()
        await at.page.locator("#commands tbody tr", has_text="ping").wait_for()
        assert [one["command"] for one in await rows(database, "SELECT command FROM command")] == ["ping"]
        await at.page.locator("#commands input[name=arguments]").fill("{")
        await at.page.get_by_role("button", name="Send").click()
        await at.page.locator("#commands .error").wait_for()


async def test_a_gap_is_read_from_the_meter_by_one_click(broker: Broker, database: Database) -> None:
    """The gap stands on the page of its device; where the spec knows how, a button gives the command with its span."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_readings(database)
        begin, end = "now() - interval '60 minutes'", "now() - interval '30 minutes'"
        async with connection(database) as opened:
            await opened.execute(f"DELETE FROM reading WHERE time > {begin} AND time < {end}")  # noqa: S608
        await at.go("/devices/pi-1")
        await at.page.get_by_text("Where readings are missing").click()
        row = at.page.locator("#gaps tbody tr", has_text=KEY).first
        await row.get_by_text("not known").wait_for()
        async with connection(database) as opened:
            await opened.execute("UPDATE meter SET spec = 'emh-lzqj@2' WHERE key = $1", KEY)
        await at.go("/devices/pi-1")
        await at.page.get_by_text("Where readings are missing").click()
        row = at.page.locator("#gaps tbody tr", has_not_text="goes on").filter(has_text=KEY).first
        await row.get_by_role("button", name="Read from the meter").click()
        await at.page.locator("#gaps [role=status]").wait_for()
        [given] = await rows(database, "SELECT command, arguments FROM command")
        assert given["command"] == "read_profile"
        asked = json.loads(given["arguments"]) if isinstance(given["arguments"], str) else given["arguments"]
        assert asked["meter"] == KEY
        span = [datetime.fromisoformat(asked[name]) for name in ("from", "to")]
        assert timedelta(minutes=29) < span[1] - span[0] < timedelta(minutes=33)
        assert at.complaints == []


async def test_the_fleet_follows_what_happens(broker: Broker, database: Database) -> None:
    """A new device appears and its state changes in an open page, without a reload."""
    async with browsing(broker, database) as at:
        await at.go("/")
        await at.live()
        await at.page.evaluate("window.sameDocument = true")
        await register(broker, database, "pi-new")
        row = at.page.locator("tr", has_text="pi-new")
        await row.wait_for()
        assert await at.page.evaluate("window.sameDocument")
        assert at.complaints == []


async def test_an_unknown_product_gets_its_spec(broker: Broker, database: Database) -> None:
    """From the group over a draft that is judged as one types to the published spec that reads the meter."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await add_frames(database, telegram())
        await at.go("/unknown")
        await at.page.locator("#list tbody a").first.click()
        await at.page.get_by_role("link", name="Draft a spec from its frames").click()
        editor = at.page.locator("#text")
        await editor.wait_for()
        await at.page.locator("#report .error").first.wait_for()
        text = await editor.input_value()
        name = next(line for line in text.splitlines() if line.startswith("name:"))
        await editor.fill(text.replace(name, "name: acme-console"))
        await at.page.locator("#report .done", has_text="acme-console@1").wait_for()
        at.accept()
        await at.page.get_by_role("button", name="Publish").click()
        await at.page.locator("#result .done", has_text="acme-console@1 is published").wait_for()
        sql = "SELECT 1 FROM meter_spec WHERE spec = 'acme-console@1'"
        assert await until(lambda: rows(database, sql), "the meter is read by it")
        assert at.complaints == []


def _contrast(one: str, other: str) -> float:
    def luminance(text: str) -> float:
        parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


async def test_pages_say_what_may_run(broker: Broker, database: Database) -> None:
    """The policy allows this gateway's own files only, and no script within a page."""
    async with browsing(broker, database) as at:
        async with aiohttp.ClientSession() as http, http.get(at.running.url + "/login") as response:
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            text = await response.text()
            assert "<script>" not in text
            assert " style=" not in text
