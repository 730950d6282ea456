"""Jobs, specs and their rollouts, histories, tokens and the audit, worked with in a real browser."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp

from tests.rigs.browsing import KEY, Browsing, browsing, looking, register
from tests.rigs.gateway import connection
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.rollouts import fleet
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import acme, keep_frames, telegram
from tests.rigs.waiting import until

FRAMES = 1000


@contextlib.asynccontextmanager
async def _stopped_midway(database: Database) -> AsyncIterator[None]:
    """A worker's job as it is between two portions, held there."""
    sql = "SELECT 1 FROM job WHERE state = 'running' AND frames BETWEEN 1 AND total_frames - 1 FOR UPDATE"
    async with connection(database) as opened, asyncio.timeout(60):
        while True:
            hold = opened.transaction()
            await hold.start()
            if await opened.fetchval(sql):
                break
            await hold.rollback()
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            await hold.rollback()


_BACKUP = (
    "INSERT INTO job (kind, state, author, started_at, finished_at, result)"
    " VALUES ('backup', 'done', 'anna', '2026-11-29 02:30Z', '2026-11-29 02:31Z', $1)"
)


async def test_a_job_is_followed_to_its_end(broker: Broker, database: Database) -> None:
    """Queued, running with its progress, done, without a reload; another is begun from the spec and cancelled."""
    async with browsing(broker, database) as at:
        await register(broker, database, "pi-1")
        await keep_frames(database, KEY, [telegram(kwh=f"{1000 + n:06d}.567") for n in range(FRAMES)])
        await at.go("/jobs")
        await at.page.get_by_text("No jobs match.").wait_for()
        await at.live()
        await at.call("POST", "/specs", acme(), publish="true")
        row = at.page.locator("#list tbody tr", has_text="acme-one@1")
        await row.get_by_text("queued").wait_for()
        await row.locator("a").click()
        job = at.page.locator("#job")
        await job.locator(".badge", has_text="queued").wait_for()
        async with working(worker_settings(database)):
            async with _stopped_midway(database):
                await job.locator(".badge", has_text="running").wait_for()
                await job.get_by_text(f"of {FRAMES}").wait_for()
                await job.locator("progress:not([value='0.0'])").wait_for()
                assert 0 < float(await job.locator("progress").get_attribute("value") or 0) < 1
            await job.locator(".badge", has_text="done").wait_for()
        assert f"{2 * FRAMES} new" in await job.inner_text()
        await at.go("/specs/acme-one/1")
        again = at.page.locator("form", has=at.page.get_by_role("button", name="Decode the kept frames again"))
        await again.get_by_label("Reason").fill("a second look")
        await again.get_by_role("button").click()
        await at.page.wait_for_url("**/jobs/2")
        assert "a second look" in await job.inner_text()
        await job.get_by_label("Reason").fill("was a trial")
        await job.get_by_role("button", name="Cancel the job").click()
        await job.locator(".badge", has_text="cancelled").wait_for()
        await at.go("/jobs")
        await at.page.get_by_label("State").select_option("cancelled")
        await at.page.wait_for_url("**state=cancelled*")
        await row.filter(has_text="done").wait_for(state="detached")
        assert await at.page.locator("#list tbody tr").count() == 1
        assert at.complaints == []


async def test_a_job_is_asked_for_tried_again_and_put_on_the_clock(broker: Broker, database: Database) -> None:
    """What does not fit is said beside the form; what failed is tried again; a schedule is set and removed."""
    async with browsing(broker, database) as at:
        at.accept()
        await at.go("/jobs")
        ask = at.page.locator("#ask")
        await ask.get_by_label("Kind of job").select_option("recompute")
        await ask.get_by_label("Arguments").fill("meter=NO:1\nsince=2026-01-01T00:00:00Z")
        await ask.get_by_role("button", name="Ask for it").click()
        await ask.locator(".error", has_text="arguments.until").wait_for()
        await ask.get_by_label("Arguments").fill("meter=NO:1\nsince=2026-01-01T00:00:00Z\nuntil=2026-02-01T00:00:00Z")
        await ask.get_by_role("button", name="Ask for it").click()
        await at.page.wait_for_url("**/jobs/1")
        job = at.page.locator("#job")
        async with working(worker_settings(database)):
            await job.locator(".badge", has_text="failed").wait_for()
        await job.get_by_text("there is no meter NO:1").wait_for()
        await job.get_by_role("button", name="Try it again").click()
        await job.locator(".badge", has_text="queued").wait_for()
        await at.go("/jobs")
        plan = at.page.locator("#schedules")
        fields = {"Schedule": "monthly", "When": "15 4 1 * * *", "Time zone": "Europe/Warsaw"}
        for label, text in fields.items():
            await plan.get_by_label(label).first.fill(text)
        await plan.get_by_label("Asks for").select_option("export")
        await plan.get_by_label("With arguments").fill("since=$month-1\nuntil=$month")
        await plan.get_by_role("button", name="Set the schedule").click()
        await plan.locator(".error", has_text="is no cron expression").wait_for()
        await plan.get_by_label("When").fill("15 4 1 * *")
        await plan.get_by_role("button", name="Set the schedule").click()
        row = plan.locator("tbody tr", has_text="monthly")
        await row.get_by_text("15 4 1 * *").wait_for()
        await row.get_by_role("button", name="Remove").click()
        await plan.get_by_text("No schedules yet.").wait_for()
        assert await at.page.get_by_text("Newest good backup").count() == 0
        async with connection(database) as opened:
            await opened.execute(_BACKUP, '{"whole": true, "lacks": {}}')
            await at.go("/jobs")
            await at.page.get_by_text("2026-11-29 02:30:00Z, whole; none is scheduled").wait_for()
            await opened.execute(_BACKUP, '{"whole": false, "lacks": {"broker": "left out as asked"}}')
            await at.go("/jobs")
            await at.page.get_by_text("partial, without broker").wait_for()
        assert at.complaints == []


async def _press(at: Browsing, name: str, **fields: str) -> None:
    """Fill in the form of a button of the spec's life, and press it."""
    form = at.page.locator("#life form", has=at.page.get_by_role("button", name=name))
    for field, value in fields.items():
        await form.locator(f"[name={field}]").fill(value)
    await form.get_by_role("button", name=name).click()


async def test_a_canary_is_widened_released_and_withdrawn(broker: Broker, database: Database) -> None:
    """Each step by its button, and the page shows what came of it: for whom, how many, by whom and why."""
    async with fleet(broker, database, "d1", "d2") as made, looking(made.running) as at:
        at.accept()
        life, done = at.page.locator("#life"), at.page.locator("#result .done")
        for version in (2, 3):
            async with made.running.http.post(
                f"{made.running.url}/api/v1/specs", data=acme(version=version).encode()
            ) as response:
                assert response.status == 200
        await at.go("/specs/acme-one/2")
        await at.live()
        await _press(at, "Publish", reason="a trial", canary="d1")
        await done.get_by_text("acme-one@2 is canary").wait_for()
        rollout = life.locator("section", has=at.page.get_by_role("heading", name="Rollout"))
        await rollout.get_by_text("1 meter at 1 device").wait_for()
        assert "a trial" in await rollout.inner_text()
        await made.pis["d1"].given("acme-one@2")
        await made.pis["d1"].read("acme-one@2", 10)
        await rollout.get_by_text("Figures of the last evaluation").click()
        assert "{" not in await rollout.inner_text(), "figures are a table"
        await rollout.get_by_role("row", name="Telegrams").wait_for()
        await _press(at, "Change", to="100%")
        await rollout.get_by_text("2 meters at 2 devices").wait_for()
        await _press(at, "Release to all", reason="does well")
        await rollout.locator(".badge.good", has_text="released").wait_for()
        assert "all matching meters; first for 100%" in await rollout.inner_text()
        assert await rollout.get_by_role("button").count() == 0
        await at.go("/specs/acme-one/3")
        await _press(at, "Publish", canary="d2")
        await rollout.get_by_text("1 meter at 1 device").wait_for()
        await _press(at, "Withdraw", reason="reads worse")
        await rollout.locator(".badge.bad", has_text="withdrawn").wait_for()
        assert "none; first for d2" in await rollout.inner_text()
        await at.go("/specs")
        await at.page.locator("#list tr", has_text="acme-one@3").get_by_text("withdrawn").wait_for()
        assert at.complaints == []


async def test_a_spec_is_compared_published_and_deprecated(broker: Broker, database: Database) -> None:
    """What a draft would change is seen before it is published; a refusal says why; a deprecation has its reason."""
    async with browsing(broker, database) as at:
        at.accept()
        await register(broker, database, "pi-1")
        await at.call("POST", "/specs", acme(), publish="true")
        await keep_frames(database, KEY, [telegram()] * 3)
        scaled = "points: [{obis: 1-0:1.7.0, scale: '0.1'}]"
        await at.call("POST", "/specs", acme(version=2, kw="0.0482", more=scaled))
        await at.go("/specs/acme-one/2")
        await at.live()
        await _press(at, "Compare with the previous version")
        await at.page.locator("#result").get_by_text("0 the same, 3 different").wait_for()
        await at.go("/specs/acme-one/1")
        await at.page.get_by_role("button", name="Deprecate").wait_for()
        assert await at.page.get_by_role("button", name="Compare with the previous version").count() == 0
        await at.go("/specs/acme-one/2")
        await at.live()
        await _press(at, "Compare with the previous version")
        compared = at.page.locator("#result")
        await compared.get_by_text("0 the same, 3 different").wait_for()
        assert "0.482" in await compared.locator("td.gone").first.inner_text()
        await _press(at, "Publish", canary="no such device")
        await compared.locator(".error").wait_for()
        await _press(at, "Publish", reason="ten times too much", canary="")
        await compared.get_by_text("acme-one@2 is published").wait_for()
        life = at.page.locator("#life")
        await life.get_by_role("link", name="1 meter").wait_for()
        await _press(at, "Deprecate", reason="was a mistake")
        await life.get_by_text("by api: was a mistake").wait_for()
        await life.locator(".badge", has_text="deprecated").first.wait_for()
        assert await life.get_by_role("button", name="Deprecate").count() == 0
        assert at.complaints == []


async def test_an_earlier_version_of_parameters_is_brought_back(broker: Broker, database: Database) -> None:
    """The history says what each version changed; one click makes an earlier one the newest."""
    # it is fetched once it is seen, and what comes above it while it is opened must not push it out of sight
    async with browsing(broker, database, viewport={"width": 1280, "height": 4000}) as at:
        at.accept()
        await register(broker, database, "pi-1")
        path = "/devices/pi-1/parameters"
        for value, why in ((5, "faster"), (7, "slower")):
            await at.call("PATCH", path, {"reading_interval_s": value}, reason=why)
        await at.go("/devices/pi-1")
        form = at.page.locator("form.parameters")
        await form.get_by_text("History", exact=True).click()
        newest, first = form.locator(".history tbody tr", has_text="slower"), form.locator("tr", has_text="faster")
        await newest.wait_for()
        changed = (await newest.locator(".gone").inner_text(), await newest.locator(".added").inner_text())
        assert changed == ("5", "7")
        assert await newest.get_by_role("button").count() == 0
        await first.get_by_role("button", name="Restore").click()
        await form.locator(".done", has_text="Version 1 is restored").wait_for()
        assert await form.get_by_label("reading_interval_s").input_value() == "5"
        held = (await at.call("GET", path))["layers"][-1]
        assert (held["version"], held["parameters"]) == (3, {"reading_interval_s": 5.0})
        assert at.complaints == []


async def test_tokens_are_made_shown_once_and_revoked(broker: Broker, database: Database) -> None:
    """A token's secret is there once and opens the API; after its revocation it does not; the audit finds both."""
    async with browsing(broker, database) as at:
        at.accept()
        await at.go("/access")
        form, secret = at.page.locator("#tokens form"), at.page.locator("#secret")
        await form.get_by_label("Name").fill("bert")
        await form.get_by_label("Valid for, days").fill("many")
        await form.get_by_role("button", name="Create").click()
        await at.page.locator("#tokens .error", has_text="days").wait_for()
        assert await form.get_by_label("Name").input_value() == "bert"
        await form.get_by_label("Valid for, days").fill("30")
        await form.get_by_label("Role").select_option("engineer")
        await form.get_by_role("button", name="Create").click()
        token = await secret.inner_text()
        me = f"{at.running.url}/api/v1/me"
        headers = {"Authorization": f"Bearer {token}"}

        async def status() -> int:
            async with aiohttp.ClientSession() as http, http.get(me, headers=headers) as response:
                return response.status

        assert await status() == 200
        await at.go("/access")
        row = at.page.locator("#tokens tbody tr", has_text="bert")
        assert "engineer" in await row.inner_text()
        assert await secret.count() == 0
        assert token not in await at.page.content()
        await row.get_by_role("button", name="Revoke").click()
        await row.wait_for(state="detached")
        await until(lambda: _is(status, 401), "the token opens nothing any more")
        await at.go("/access")
        lines = at.page.locator("#audit tr")
        await lines.filter(has_text="revokeToken").wait_for()
        await at.page.locator("#audit-filter").get_by_label("Show").select_option("true")
        await lines.filter(has_text="revokeToken").wait_for(state="detached")
        await lines.filter(has_text="createToken").filter(has_text="422").wait_for()
        await at.page.locator("#audit-filter").get_by_label("Show").select_option("")
        await at.page.locator("#audit-filter").get_by_label("Who").fill("nobody-of-this-name")
        await at.page.get_by_text("No entries match.").wait_for()
        await at.page.locator("#audit-filter").get_by_label("Who").fill("api")
        await lines.filter(has_text="revokeToken").wait_for()
        assert at.complaints == []


async def _is(status: object, wanted: int) -> bool:
    return await status() == wanted  # type: ignore[operator]
