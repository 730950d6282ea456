"""Keys and passwords of meters in the console: a link where one can be used, and a form with the fields for it."""

from pathlib import Path

from store.meter_keys import new_master_keys
from tests.rigs.browsing import KEY, browsing, register
from tests.rigs.gateway import connection, rows
from tests.rigs.servers import Broker, Database

PASSWORD = "open-sesame-42"
WANTS = """
INSERT INTO spec SELECT (jsonb_populate_record(s, jsonb_build_object('name', 'wants-password',
    'document', jsonb_set(s.document, '{history,password_ref}', '"reader"')))).* FROM spec s WHERE s.name = 'emh-lzqj'
"""
USES = "UPDATE meter SET spec = (SELECT name || '@' || version FROM spec WHERE name = 'wants-password') WHERE key = $1"


async def test_a_password_is_set_where_the_spec_asks_for_one(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A meter without a use for secrets has no link; one whose memory wants a password has it, and only its field."""
    master = tmp_path / "master"
    new_master_keys().write(master)
    async with browsing(broker, database, settings={"meter_keys_file": master}) as at:
        await register(broker, database, "pi-1")
        await at.go("/devices/pi-1")
        meters = at.page.locator("#meters")
        await meters.get_by_role("link", name="raw frames").first.wait_for()
        assert await meters.get_by_role("link", name="password").count() == 0
        async with connection(database) as opened:
            await opened.execute(WANTS)
            await opened.execute(USES, KEY)
        await at.go("/devices/pi-1")
        await meters.get_by_role("link", name="password", exact=True).click()
        await at.page.get_by_role("heading", name=f"Password of {KEY}").wait_for()
        assert await at.page.locator("#key input").count() == 1
        await at.page.get_by_text("No password is set.").wait_for()
        await at.page.get_by_label("Password, by which its device asks it").fill(PASSWORD)
        await at.page.get_by_role("button", name="Set password").click()
        await at.page.get_by_role("button", name="Replace password").wait_for()
        assert PASSWORD not in await at.page.content()
        [kept] = await rows(database, "SELECT kinds FROM meter_key")
        assert list(kept["kinds"]) == ["password"]
        assert at.complaints == []
