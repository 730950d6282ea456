"""Sources in a real browser: made, mapped by what they sent, turned off; proposals of the bridge decided."""

from pathlib import Path

from store.meter_keys import new_master_keys
from tests.rigs.browsing import browsing
from tests.rigs.gateway import connection
from tests.rigs.proposals import not_bridged, propose
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.sources import MAPPING, add_payload, add_source

RECORD = {"id": "7", "t": "2026-11-20T00:00:00Z", "kwh": 100}


async def test_a_source_is_made_mapped_and_turned_off(broker: Broker, database: Database, tmp_path: Path) -> None:
    """What its payloads would give is seen before the mapping is given; what gave nothing is tried again."""
    keys, file = tmp_path / "master", tmp_path / "mapping.yaml"
    new_master_keys().write(keys)
    file.write_text(MAPPING)
    async with browsing(broker, database, settings={"meter_keys_file": keys}) as at:
        at.accept()
        await at.go("/sources")
        await at.page.get_by_text("No sources yet.").wait_for()
        new = at.page.locator("#new")
        await new.get_by_label("Name", exact=True).fill("Acme!")
        await new.get_by_role("button", name="Make it").click()
        await new.locator(".error", has_text="name").wait_for()
        await new.get_by_label("Name", exact=True).fill("acme")
        await new.get_by_role("button", name="Make it").click()
        await at.page.wait_for_url("**/sources/acme")

        state = at.page.locator("#state")
        assert "it has no secret" in await state.inner_text()
        await at.page.get_by_role("button", name="New secret").click()
        secret = await at.page.locator("#source-secret").inner_text()
        assert len(secret) > 40

        number = await add_payload(database, RECORD)
        await add_payload(database, b"half a {\x00")
        await at.go("/sources/acme")
        assert secret not in await at.page.content()
        assert "it has no mapping; give it one; 2 payloads kept until then" in await state.inner_text()
        report = at.page.locator("#report")
        await report.locator(".error").wait_for()
        await at.page.get_by_label("From a file").set_input_files(file)
        await report.get_by_text("this payload gives nothing").wait_for()
        await at.page.get_by_label("Kept payload").fill(str(number))
        await report.get_by_role("row", name="ACME:7").get_by_text("100").wait_for()
        async with working(worker_settings(database, mapping_poll_s=0.1)):
            await at.page.get_by_role("button", name="Give it this mapping").click()
            await at.page.locator("#result").get_by_text("Version 1 is in force").wait_for()
            payloads = at.page.locator("#payloads")
            await payloads.locator(".badge.good", has_text="mapped").wait_for()
            await payloads.locator(".badge.bad", has_text="unmapped").wait_for()
        assert at.complaints == []


async def test_payloads_are_looked_into_and_tried_again(broker: Broker, database: Database) -> None:
    """What gave nothing says why, is shown as it is, and waits again at a button; a source is turned off."""
    await add_source(database)
    number = await add_payload(database, RECORD)
    bad = await add_payload(database, b"half a {\x00")
    async with connection(database) as opened:
        await opened.execute(
            "UPDATE payload SET state = 'unmapped', version = 1, reason = 'no JSON' WHERE id = $1", bad
        )
        await opened.execute("UPDATE source SET kind = 'file'")
    async with browsing(broker, database) as at:
        at.accept()
        payloads, state = at.page.locator("#payloads"), at.page.locator("#state")
        await at.go("/sources")
        row = at.page.locator("#list tr", has_text="acme")
        assert "1 payload gave nothing, the newest as: no JSON" in await row.inner_text()
        await row.get_by_role("link", name="acme").click()
        await at.page.get_by_label("Show").select_option("unmapped")
        await payloads.locator(".badge.warn").wait_for(state="detached")
        await payloads.get_by_role("button", name="Try again").click()
        await payloads.get_by_text("1 payload will be tried again").wait_for()
        await at.page.get_by_role("button", name="Turn off").click()
        await state.locator(".badge", has_text="off").wait_for()
        await at.go(f"/sources/acme/payloads/{bad}")
        assert "in hex" in await at.page.locator("main").inner_text()
        await at.go(f"/sources/acme/payloads/{number}")
        await at.page.get_by_role("link", name="Draft a mapping from it").click()
        await at.page.get_by_text(f"Drafted from payload {number}").wait_for()
        assert at.complaints == []


async def test_proposals_are_decided_and_a_viewer_only_looks(broker: Broker, database: Database) -> None:
    """What is accepted is a source with its mapping, and why the bridge does not hear it is said; a role is kept."""
    await propose(database, "washer", "dryer")
    async with browsing(broker, database) as at:
        at.accept()
        await at.go("/sources")
        proposals = at.page.locator("#proposals")
        await proposals.get_by_role("link", name="washer").click()
        assert "no quantity" in await at.page.locator("main").inner_text()
        await at.go("/sources")
        await proposals.locator("tr", has_text="dryer").get_by_role("button", name="Refuse").click()
        await proposals.get_by_role("link", name="dryer").wait_for(state="detached")
        await proposals.get_by_label("As source").fill("Washer")
        await proposals.get_by_role("button", name="Accept").click()
        await proposals.locator(".error", has_text="name").wait_for()
        await proposals.get_by_role("button", name="Accept").click()
        await at.page.wait_for_url("**/sources/washer")
        assert "zigbee2mqtt/Washer" in await at.page.locator("#state").inner_text()
        await not_bridged(database, "washer", "no broker home")
        viewer = (await at.call("POST", "/tokens", {"name": "anna", "role": "viewer"}))["token"]
        await at.page.get_by_role("button", name="Log out").click()
        await at.log_in(viewer)
        await at.go("/sources")
        assert "no broker home" in await at.page.locator("#list tr", has_text="washer").inner_text()
        await at.go("/sources/washer")
        assert "the bridge does not subscribe to it" in await at.page.locator("#state").inner_text()
        await at.page.locator("#report .done, #report .error").wait_for()
        offered = at.page.locator("main button")
        assert await offered.all_inner_texts() == []
        assert at.complaints == []
