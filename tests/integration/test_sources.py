"""Sources over the API and the command line: made, mapped, tried, and their unmapped payloads seen to."""

import asyncio
import json
from pathlib import Path

import pytest

from cli.meters import meter
from cli.sources.command import source
from store.meter_keys import MasterKeys, new_master_keys
from store.source_settings import open_secret
from tests.rigs.cli import typed
from tests.rigs.gateway import events, gateway, gateway_settings, rows
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.sources import MAPPING, add_payload, add_source, payloads
from tests.rigs.waiting import until_equal

GOLDEN = """
goldens:
  - name: one
    payload: '{"id": "7", "t": "2026-11-20T00:00:00Z", "kwh": 100}'
    readings: [{meter: "ACME:7", at: 2026-11-20T00:00:00Z, values: {1-0:1.8.0: 100}}]
"""


async def test_a_source_from_its_making_to_its_readings(broker: Broker, database: Database, tmp_path: Path) -> None:
    """An engineer makes it, has a mapping drafted, corrects it, tries and gives it; what came before is mapped too."""
    file, sample = tmp_path / "mapping.yaml", tmp_path / "sample.json"
    sample.write_text('{"meter_id": "7", "ts": "2026-11-20T00:01:00Z", "total_kwh": 101}')
    async with gateway(gateway_settings(broker, database)) as running:
        made = await typed(running, source, "create", "acme", "--set", "auth=bearer", "--set", "max_bytes=65536")
        assert made.exit_code == 0, made.output
        again = await typed(running, source, "create", "acme")
        assert "there is a source 'acme' already" in again.output
        assert "names no value" in (await typed(running, source, "create", "x", "--set", "oops")).output
        refused = await typed(running, source, "set", "acme", "max_bytes=0")
        assert "max_bytes" in refused.output
        drafted = await typed(running, source, "draft", str(sample))
        assert "meter_id looks like its id" in drafted.output
        file.write_text(drafted.stdout)
        tried = json.loads(
            (await typed(running, source, "try", "acme", str(sample), "--mapping", str(file), "--json")).stdout
        )
        assert tried["readings"] == [{"meter": "ACME:7", "at": "2026-11-20T00:01:00Z", "values": {"1-0:1.8.0": 101.0}}]
        await add_payload(database, {"id": "7", "t": "2026-11-20T00:00:00Z", "kwh": 100})
        await add_payload(database, b"half a {")
        file.write_text(MAPPING + GOLDEN.replace("values: {1-0:1.8.0: 100}", "values: {1-0:1.8.0: 99}"))
        wrong = await typed(running, source, "map", "acme", str(file))
        assert "1-0:1.8.0: expected 99, got 100" in wrong.output
        async with working(worker_settings(database, mapping_poll_s=0.1)):
            await until_equal(lambda: states(database), ["unmapped", "unmapped"])
            file.write_text(MAPPING + GOLDEN)
            assert "version 1, proven by 1 golden" in (await typed(running, source, "map", "acme", str(file))).output
            assert "already, as version 1" in (await typed(running, source, "map", "acme", str(file))).output
            await until_equal(lambda: states(database), ["mapped", "unmapped"])
        (number,) = [one["id"] for one in await rows(database, "SELECT id FROM payload WHERE state = 'unmapped'")]
        listed = json.loads((await typed(running, source, "payloads", "acme", "--state", "unmapped", "--json")).stdout)
        assert [(one["id"], one["version"]) for one in listed] == [(number, 1)]
        assert "no JSON" in listed[0]["reason"]
        assert (await typed(running, source, "payloads", "acme", "--id", str(number))).stdout == "half a {"
        nothing = await typed(running, source, "try", "acme", "--id", str(number))
        assert nothing.exit_code == 1
        assert "1 payload" in (await typed(running, source, "retry", "acme")).output
        assert await states(database) == ["mapped", "waiting"]
        assert "0 payloads" in (await typed(running, source, "drop", "acme", "--all")).output
        (shown,) = json.loads((await typed(running, source, "list", "--json")).stdout)
        assert (shown["version"], shown["meters"], shown["waiting"], shown["unmapped"]) == (1, 1, 1, 0)
        assert (shown["device"], shown["settings"]["auth"]) == ("source-acme", "bearer")
        assert (await typed(running, source, "show", "acme", "--mapping")).stdout == MAPPING + GOLDEN
        (meter_row,) = json.loads((await typed(running, meter, "list", "--device", "source-acme", "--json")).stdout)
        assert (meter_row["meter"], meter_row["device"]) == ("ACME:7", "source-acme")
        assert "ACME:7  source-acme" in (await typed(running, meter, "list")).output
        assert "is off" in (await typed(running, source, "disable", "acme")).output
    assert await rows(database, "SELECT FROM desired") == []
    assert [one["detail"]["version"] for one in await events(database, "source_mapped")] == [1]
    audited = await rows(database, "SELECT action FROM audit WHERE action = 'putSourceMapping' ORDER BY id")
    assert len(audited) == 3


async def test_who_tries_dear_mappings_keeps_the_gateway_from_nothing(broker: Broker, database: Database) -> None:
    """Goldens that take half a second each are done beside all else, a few at a time; more are told to come again."""
    await add_source(database)
    body = json.dumps({"r": [0] * 300})
    mapping = {
        "format": {"type": "json"}, "meter": "A:1", "records": "r",
        "values": {"1-0:1.8.0": {"path": "length(_body.r[?@ == `0`])"}},
        "goldens": [{"name": "dear", "payload": body, "refused": "too long"}],
    }  # fmt: skip
    async with gateway(gateway_settings(broker, database)) as running:

        async def attempt() -> int:
            url = f"{running.url}/api/v1/sources/acme:try"
            async with running.http.post(url, json={"mapping": json.dumps(mapping), "payload": body}) as response:
                return response.status

        statuses = await asyncio.gather(*(attempt() for _ in range(16)))
        assert set(statuses) == {200, 429}


async def test_a_source_that_could_hear_nothing_gets_no_mapping(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """A mapping of MQTT names topics, or the source's settings do; and such a source is told of no secret."""
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING)
    async with gateway(gateway_settings(broker, database)) as running:
        made = await typed(running, source, "create", "plant", "--kind", "mqtt")
        assert made.output == "plant is made; next `wattline source map plant FILE`\n"
        refused = await typed(running, source, "map", "plant", str(file))
        assert "topic: it is missing, and plant has no setting topics" in refused.output
        listed = await typed(running, source, "set", "plant", 'topics=["plant/+"]', "--json")
        assert json.loads(listed.stdout)["settings"]["topics"] == ["plant/+"], listed.output
        assert "version 1" in (await typed(running, source, "map", "plant", str(file))).output
        made = await typed(running, source, "create", "old", "--kind", "file", "--set", 'content_types=["text/csv"]')
        assert "where its files come by HTTP" in made.output


async def states(database: Database) -> list[str]:
    return [one["state"] for one in await payloads(database)]


@pytest.mark.parametrize("grace", ["0", "3600"])
async def test_a_secret_is_shown_once_and_kept_sealed(
    broker: Broker, database: Database, tmp_path: Path, grace: str
) -> None:
    """What the store has of it only the master key opens; the one before is good for as long as was said."""
    keys = tmp_path / "master"
    new_master_keys().write(keys)
    async with gateway(gateway_settings(broker, database, meter_keys_file=keys)) as running:
        await typed(running, source, "create", "acme")
        first = (await typed(running, source, "secret", "acme")).stdout.strip()
        second = (await typed(running, source, "secret", "acme", "--grace", grace)).stdout.strip()
    assert len(first) >= 43
    assert first != second
    (kept,) = await rows(database, "SELECT secret, master FROM source")
    assert second.encode() not in kept["secret"]
    opened = open_secret(MasterKeys.load(keys), "acme", kept["master"], kept["secret"])
    assert (opened.current, opened.before) == (second, "" if grace == "0" else first)
    for one in await rows(database, "SELECT body FROM audit"):
        assert first not in str(one)
