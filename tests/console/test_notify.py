"""Notifications in a real browser: a channel, its test, a rule, and a message that is sent again."""

from pathlib import Path

from tests.rigs.browsing import browsing
from tests.rigs.notices import platform_of, receiving
from tests.rigs.servers import Broker, Database


async def test_an_engineer_sets_tries_and_mends_notifications(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """What is refused says why and stays; the secret is there once, the URL never."""
    platform = platform_of(database, tmp_path)
    async with (
        receiving() as receiver,
        platform.telling(),
        browsing(broker, database, settings={"meter_keys_file": platform.master_file}) as at,
    ):
        await at.go("/notify")
        channels, rules = at.page.locator("#channels"), at.page.locator("#rules")
        await channels.get_by_label("Name").fill("ops")
        await channels.get_by_label("URL").fill("file:///etc/passwd")
        await channels.get_by_role("button", name="Set").click()
        await channels.locator(".error", has_text="no channel has the scheme").wait_for()
        await channels.get_by_label("Name").fill("ops")
        await channels.get_by_label("URL").fill(receiver.url + "?token=s3cret")
        await channels.get_by_role("button", name="Set").click()
        secret = await at.page.locator("#channel-secret").inner_text()
        assert secret.startswith("whsec_")
        assert "s3cret" not in await at.page.content()
        receiver.answer(404)
        await channels.get_by_role("button", name="Test").click()
        await channels.locator(".error", has_text="not taken: HTTP 404").wait_for()
        assert secret not in await at.page.content()

        await rules.get_by_label("Name").fill("away")
        await rules.get_by_label("Rule, as YAML").fill("about: offlin\nchannel: ops\n")
        await rules.get_by_role("button", name="Set rule").click()
        await rules.locator(".error", has_text="no kind 'offlin'").wait_for()
        await rules.get_by_label("Rule, as YAML").fill("about: offline\nchannel: ops\n")
        await rules.get_by_role("button", name="Set rule").click()
        await rules.locator("tbody tr", has_text="away").wait_for()

        await at.page.get_by_label("Show").select_option("dead")
        messages = at.page.locator("#messages")
        await messages.get_by_role("button", name="Send again").click()
        await messages.get_by_role("button", name="Send again").wait_for(state="detached")
        await channels.get_by_role("button", name="Test").click()
        await channels.locator(".done", has_text="taken, HTTP 204").wait_for()
        assert receiver.ids().count(receiver.ids()[0]) == 2
