"""`wattline claim` and `wattline enrol` as people type them."""

import json
from pathlib import Path

import click
from click.testing import Result

from cli.claims import claim
from cli.enrolments import enrol
from tests.rigs.access import ROOT
from tests.rigs.cli import typed
from tests.rigs.enrolling import Claimed, Est, enrolling
from tests.rigs.servers import Broker, Database


async def said(est: Est, command: click.Command, *words: str, token: str = ROOT) -> Result:
    return await typed(est.running, command, *words, WATTLINE_TOKEN=token)


async def test_claims_and_decisions_from_a_shell(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """A claim is printed once as an image wants it; who waits is listed, let in, refused; mistakes are sentences."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        made = await said(
            est, claim, "create", "--site", "warsaw", "--uses", "3", "--until", "2099-06-01", "--approval", "by-person"
        )
        assert made.exit_code == 0, made.output
        values = dict(line.removeprefix("WATTLINE_DEVICE_ENROL__").split("=") for line in made.output.splitlines())
        claimed = Claimed(values["CLAIM"], values["TOKEN"])
        assert claimed.name.startswith("warsaw-")
        for device in ("pi-1", "pi-2", "pi-3"):
            assert (await est.enroll(claimed, device, f"hw-{device}")).status == 202
        listed = await said(est, claim, "list")
        assert claimed.token not in listed.output
        assert "by person" in listed.output
        waiting = json.loads((await said(est, enrol, "list", "--json")).output)
        numbers = {one["device"]: str(one["id"]) for one in waiting}
        table = (await said(est, enrol, "list")).output
        assert ("hw-pi-1" in table, claimed.name[:12] in table) == (True, True)
        approved = await said(est, enrol, "approve", numbers["pi-1"], "987654", numbers["pi-3"])
        assert all(f"{device} may log in as {device}" in approved.output for device in ("pi-1", "pi-3"))
        assert (approved.exit_code, "Error: 987654: " in approved.output) == (1, True)
        refused = await said(est, enrol, "refuse", numbers["pi-2"], "--reason", "not ours")
        assert "pi-2 on hw-pi-2 is refused" in refused.output
        assert (await said(est, enrol, "list")).output == "nobody waits\n"
        assert "not ours" in (await said(est, enrol, "list", "--all")).output
        again = await said(est, enrol, "approve", numbers["pi-2"])
        assert (again.exit_code, "refused already" in again.output) == (1, True)
        assert "is revoked" in (await said(est, claim, "revoke", claimed.name)).output
        assert (await said(est, claim, "list")).output == "no claims\n"
        assert "revoked" in (await said(est, claim, "list", "--revoked")).output
        for words, status, sentence in (
            (("create", "--uses", "1", "--until", "soon"), 2, "--until"),
            (("create", "--uses", "0", "--until", "2099-01-01"), 2, "--uses"),
            (("create", "--uses", "1", "--until", "2020-01-01"), 1, "until: 2020-01-01"),
            (("create", "--uses", "1", "--until", "2099-01-01", "--site", "a b"), 1, "site: "),
            (("revoke", "nobody"), 1, "no claim 'nobody' that lives"),
        ):
            wrong = await said(est, claim, *words)
            assert (wrong.exit_code, sentence in wrong.output) == (status, True), (words, wrong.output)


async def test_who_may_decide(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """Viewers see who waits, engineers decide, admins make claims; each refusal names the role."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        claimed = await est.claim(approval="by_person")
        await est.enroll(claimed, "pi-1", "hw-1")
        tokens = {}
        for role in ("viewer", "engineer"):
            _, made = await est.api("POST", "/tokens", json={"name": role, "role": role})
            tokens[role] = made["token"]
        assert "hw-1" in (await said(est, enrol, "list", token=tokens["viewer"])).output
        number = str((await est.waiting())[0]["id"])
        viewer = await said(est, enrol, "approve", number, token=tokens["viewer"])
        assert "the role engineer is needed" in viewer.output
        words = ("create", "--uses", "1", "--until", "2099-01-01")
        assert "the role admin is needed" in (await said(est, claim, *words, token=tokens["engineer"])).output
        assert (await said(est, enrol, "approve", number, token=tokens["engineer"])).exit_code == 0
        [one] = [one for one in (await est.api("GET", "/enrolments"))[1]["items"] if one["device"] == "pi-1"]
        assert one["decided_by"] == "engineer"
