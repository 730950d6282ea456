"""`wattline spec`: tables for people, JSON for programs, and mistakes told plainly."""

import json
from pathlib import Path

from cli.specs.command import spec
from deploy.local.process import free_port
from tests.rigs.cli import typed
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import acme


async def test_the_life_of_a_spec_from_the_command_line(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Add, mend, validate, publish, list, show, deprecate; a repeat says so and ends well."""
    file = tmp_path / "acme.yaml"
    file.write_text(acme(kw="9"))
    async with gateway(gateway_settings(broker, database)) as running:
        wrong = await typed(running, spec, "validate", str(file))
        assert wrong.exit_code == 1
        assert "goldens.0.values.1-0:1.7.0" in wrong.output
        assert "0.482" in wrong.output
        draft = await typed(running, spec, "add", str(file), "--author", "eva")
        assert draft.exit_code == 0
        assert "acme-one@1: draft" in draft.output
        assert "publishing is refused for 1 reason" in draft.output
        assert (await typed(running, spec, "publish", "acme-one@1")).exit_code == 1
        file.write_text(acme())
        assert (await typed(running, spec, "validate", str(file))).output == "acme-one@1: good, 1 golden checked\n"
        done = await typed(running, spec, "add", "-", "--publish", "--author", "eva", "--reason", "new", text=acme())
        assert (done.exit_code, "acme-one@1: published; 0 devices changed" in done.output) == (0, True)
        again = await typed(running, spec, "publish", "acme-one@1")
        assert (again.exit_code, "as before" in again.output) == (0, True)
        clash = await typed(running, spec, "add", "-", "--publish", text=acme(more="digits: 6"))
        assert (clash.exit_code, "version: 2" in clash.output) == (1, True)
        listed = await typed(running, spec, "list")
        (line,) = [line.split() for line in listed.output.splitlines() if line.startswith("acme-one@1")]
        assert line == ["acme-one@1", "published", "0", "p1", "ZZZ", "One"]
        found = json.loads((await typed(running, spec, "list", "--state", "published", "--json")).output)
        assert [one["author"] for one in found if one["spec"] == "acme-one"] == ["local (for eva)"]
        assert "new" in (await typed(running, spec, "show", "acme-one@1")).output
        assert (await typed(running, spec, "show", "acme-one@1", "--yaml")).output == acme()
        ended = await typed(running, spec, "deprecate", "acme-one@1", "--reason", "wrong", "--json")
        assert json.loads(ended.output.splitlines()[-1])["state"] == "deprecated"
        assert "deprecated" in (await typed(running, spec, "list", "--state", "deprecated")).output


async def test_validation_without_a_gateway(tmp_path: Path) -> None:
    """--offline judges against the shipped catalogue and asks nobody; --json has what the API has."""
    file = tmp_path / "acme.yaml"
    file.write_text(acme())
    nowhere = f"http://127.0.0.1:{free_port()}"
    good = await typed(nowhere, spec, "validate", str(file), "--offline")
    assert (good.exit_code, good.output) == (0, "acme-one@1: good, 1 golden checked\n")
    file.write_text(acme(more="colour: red"))
    bad = await typed(nowhere, spec, "validate", str(file), "--offline", "--json")
    assert bad.exit_code == 1
    assert [one["field"] for one in json.loads(bad.output)["errors"]] == ["colour"]


async def test_mistakes_are_told_in_a_sentence(broker: Broker, database: Database) -> None:
    """Each mistake ends with what is wrong and what is wanted, never with a traceback."""
    async with gateway(gateway_settings(broker, database)) as running:
        told = {
            ("show", "acme-one"): "write name@version",
            ("show", "nobody@1"): "no spec 'nobody@1'",
            ("publish", "nobody@1"): "no spec 'nobody@1'",
            ("add", "/nowhere.yaml"): "No such file",
            ("list", "--state", "lost"): "'draft'",
        }
        for words, sentence in told.items():
            result = await typed(running, spec, *words)
            assert result.exit_code in (1, 2), words
            assert sentence in result.output, (words, result.output)
        unread = await typed(running, spec, "add", "-", text="name: [")
        assert (unread.exit_code, "body" in unread.output) == (1, True)
    nowhere = await typed(f"http://127.0.0.1:{free_port()}", spec, "list")
    assert (nowhere.exit_code, "no gateway answers" in nowhere.output) == (1, True)
