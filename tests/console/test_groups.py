"""Groups, labels and staged changes, worked with in a real browser before devices that obey."""

from tests.rigs.browsing import Browsing, looking
from tests.rigs.gateway import gateway, rows, watching
from tests.rigs.parameters import done, register
from tests.rigs.servers import Broker, Database
from tests.rigs.stages import changed, devices, settings


async def _fill(at: Browsing, scope: str, **fields: str) -> None:
    for label, text in fields.items():
        await at.page.locator(scope).get_by_label(label.replace("_", " "), exact=True).fill(text)


async def test_a_label_brings_a_device_into_a_group_with_its_parameters(broker: Broker, database: Database) -> None:
    """A selector is judged as one types; members, parameters and their history are the group's; removing takes back."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running, looking(running) as at:
        at.accept()
        await register(broker, seen, "pi-1", "pi-2")
        await at.go("/groups")
        form = "#groups form"
        await _fill(at, form, Name="warsaw", Devices_matching="site=")
        await at.page.locator("#fits .error").wait_for()
        await _fill(at, form, Devices_matching="site=warsaw", Priority="high")
        await at.page.locator("#fits").get_by_text("Matches no device at the moment").wait_for()
        await at.page.get_by_role("button", name="Create").click()
        await at.page.locator("#groups > .error", has_text="priority").wait_for()
        assert await at.page.locator(form).get_by_label("Name").input_value() == "warsaw"
        await _fill(at, form, Priority="20", Reason="the office")
        await at.page.get_by_role("button", name="Create").click()
        await at.page.wait_for_url("**/groups/warsaw")
        members, parameters = at.page.locator("#members"), at.page.locator("form.parameters")
        await members.get_by_text("0 members").wait_for()
        await parameters.get_by_label("reading_interval_s").fill("7")
        await at.page.locator("#save:enabled").wait_for()
        await parameters.get_by_role("button", name="Save").click()
        await parameters.locator(".done", has_text="Changed reading_interval_s").wait_for()

        await at.go("/devices/pi-1")
        await at.live()
        labels = at.page.locator("#labels")
        await labels.get_by_text("In no group").wait_for()
        await _fill(at, "#labels", New_label="bad label", Value="warsaw")
        await labels.get_by_role("button", name="Save labels").click()
        await labels.locator(".error").wait_for()
        await _fill(at, "#labels", New_label="site", Reason="moved")
        await labels.get_by_role("button", name="Save labels").click()
        await labels.get_by_role("link", name="warsaw").wait_for()
        row = at.page.locator("form.parameters tr", has_text="reading_interval_s")
        await row.get_by_text("group:warsaw").wait_for()
        await labels.get_by_role("link", name="warsaw").click()
        await members.get_by_role("link", name="pi-1").wait_for()

        await _fill(at, "#group form.bar >> nth=0", Devices_matching="site=warsaw, device=pi-2")
        await at.page.locator("#group").get_by_role("button", name="Save").click()
        await members.get_by_text("0 members").wait_for()
        await at.go("/devices/pi-1")
        await labels.get_by_label("site", exact=True).fill("")
        await labels.get_by_role("button", name="Save labels").click()
        await labels.get_by_label("site", exact=True).wait_for(state="detached")
        assert (await rows(database, "SELECT labels::text FROM device_labels"))[0]["labels"] == "{}"

        await at.go("/groups/warsaw")
        await at.page.get_by_text("Delete this group").click()
        await at.page.get_by_role("button", name="Delete the group").click()
        await at.page.wait_for_url("**/groups")
        await at.page.get_by_text("No groups yet.").wait_for()
        assert at.complaints == []


async def test_a_staged_change_is_begun_stopped_and_taken_back_or_goes_on(broker: Broker, database: Database) -> None:
    """From the fleet's form in steps; the page follows each; its buttons do what they say, and why stands there."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running, looking(running) as at:
        at.accept()
        async with devices(broker, database, seen):
            await at.go("/parameters")
            parameters, stage = at.page.locator("form.parameters"), at.page.locator("#stage")

            async def begin(value: str, why: str) -> None:
                await at.go("/parameters")
                await parameters.get_by_label("reading_interval_s").fill(value)
                await parameters.get_by_text("Roll out in steps", exact=True).click()
                await _fill(at, "form.parameters", Steps="20% 60%", Reason=why)
                await parameters.get_by_label("Healthy for, s").fill("86400")
                await parameters.get_by_role("button", name="Start the rollout").click()

            await begin("0.1", "too fast")
            await parameters.locator("#p-reading_interval_s-error.error").wait_for()
            await begin("5", "a trial")
            await at.page.wait_for_url("**/stages/1")
            await stage.get_by_text("1 device with it").wait_for()
            assert await stage.locator(".facts .added").inner_text() == "5"
            assert await stage.locator(".steps [aria-current]").inner_text() == "20%"
            await _fill(at, "#stage", Reason="lunch")
            await stage.get_by_role("button", name="Pause").click()
            await stage.locator(".badge", has_text="paused").wait_for()
            assert "lunch" in await stage.inner_text()
            await at.go("/parameters")
            await parameters.get_by_role("link", name="staged change").click()
            await stage.get_by_role("button", name="Resume").click()
            await stage.locator(".badge", has_text="running").wait_for()
            await stage.get_by_role("button", name="Roll back").click()
            await stage.locator(".badge", has_text="aborted").wait_for()
            assert await stage.get_by_role("button").count() == 0
            assert changed(seen) == []

            await done(
                running, "POST", "/parameters:stage",
                {"parameters": {"reading_interval_s": 5}, "steps": ["20%", "60%"], "settle_s": 0.3},
            )  # fmt: skip
            await at.go("/stages")
            at_work = at.page.locator("#list tbody tr", has_text="reading_interval_s").first
            await at_work.locator(".badge", has_text="done").wait_for()
            await at_work.get_by_role("link").first.click()
            await stage.get_by_text("5 healthy").wait_for()
            assert "version 1 of fleet" in await stage.inner_text()
            assert await stage.locator("tbody tr").count() == 5
        assert at.complaints == []
