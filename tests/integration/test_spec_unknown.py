"""From a meter that nobody knows to its readings: groups, a draft from its frames, and the published spec."""

import json
from pathlib import Path
from typing import Any

import pytest

from broker.contract.topics import Kind
from cli.specs.command import spec
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from tests.rigs.cli import typed
from tests.rigs.gateway import (
    Gateway,
    connection,
    entered,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import HEADER, KEY, acme, keep_frames, post, published, telegram
from tests.rigs.waiting import until


async def ask(running: Gateway, **request: Any) -> tuple[int, dict[str, Any]]:
    """POST /specs:draft."""
    return await post(running, "/specs:draft", json.dumps(request))


async def test_an_unknown_meter_gets_its_spec_from_its_own_frames(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """It is listed with its frames, the draft needs a name only, and publishing it takes the meter off the list."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        await until(lambda: seen.desired("d1"), "desired is retained")
        await keep_frames(database, KEY, [telegram("001000.000"), telegram("001001.000")], "no_spec")
        (group,) = (await running.get("/unknown"))["items"]
        told = {name: group[name] for name in ("protocol", "manufacturer", "family", "specs", "devices", "frames")}
        assert told == {
            "protocol": "p1", "manufacturer": "ZZZ", "family": HEADER, "specs": ["generic-p1@1"], "devices": 1,
            "frames": 2,
        }  # fmt: skip
        assert group["examples"] == [KEY]
        shown = await typed(running, spec, "unknown")
        assert (shown.exit_code, KEY in shown.output, group["group"] in shown.output) == (0, True, True)
        file = tmp_path / "new.yaml"
        drafted = await typed(running, spec, "draft", "--from-frames")
        assert drafted.exit_code == 0, drafted.output
        file.write_text(drafted.output)
        unnamed = await typed(running, spec, "validate", str(file))
        assert (unnamed.exit_code, unnamed.output.splitlines()[0].partition(":")[0]) == (1, "name")
        file.write_text(drafted.output.replace("name: ''", "name: zzz-one"))
        assert (await typed(running, spec, "validate", str(file))).output == "zzz-one@1: good, 2 goldens checked\n"
        done = await typed(running, spec, "add", str(file), "--publish")
        assert done.exit_code == 0, done.output
        await until(
            lambda: (d := seen.desired("d1")) and d.meters[KEY].spec == "zzz-one@1", "the published draft is desired"
        )
        assert (await running.get("/unknown"))["items"] == []
        assert "no unknown products" in (await typed(running, spec, "unknown")).output


async def test_meters_of_one_product_are_one_group(broker: Broker, database: Database) -> None:
    """Serials in the identification part nobody; another header, or another set of quantities, is another group."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ('d1'), ('d2')")
        for key, device, protocol, facts in (
            ("AAA:11111111", 1, "p1", {"identification": "AAA5X11111111"}),
            ("AAA:22222222", 2, "p1", {"identification": "AAA5X22222222"}),
            ("AAA:33333333", 2, "p1", {"identification": "AAA5Y"}),
            ("EMH:1", 1, "sml", {"@addresses": ["1-0:1.8.0", "1-0:1.8.1", "1-0:16.7.0"]}),
            ("EMH:2", 2, "sml", {"@addresses": ["1-0:16.7.0", "1-0:1.8.0"]}),
            ("EMH:3", 2, "sml", {"@addresses": ["1-0:2.8.0"]}),
        ):
            manufacturer = key.partition(":")[0]
            serial = facts["identification"][4:] if "identification" in facts else key
            await opened.execute(
                "INSERT INTO meter (key, device_id, protocol, manufacturer, serial, facts, installed_at) "
                "VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, now())",
                key, device, protocol, manufacturer, serial, json.dumps(facts),
            )  # fmt: skip
        await opened.execute(
            "INSERT INTO meter (key, device_id, protocol, spec) VALUES ('OLD:1', 1, 'p1', 'lgz-e360-p1@1')"
        )
        await opened.execute(
            "INSERT INTO meter (key, device_id, protocol, removed_at) VALUES ('OLD:2', 1, 'p1', now())"
        )
    await keep_frames(database, "AAA:11111111", [encode_p1("AAA5X11111111", ["1-0:1.8.0(1*kWh)"])])
    await keep_frames(database, "AAA:22222222", [encode_p1("AAA5X22222222", ["1-0:1.8.0(2*kWh)"])])
    async with gateway(gateway_settings(broker, database)) as running:
        groups = (await running.get("/unknown"))["items"]
        assert sorted((one["family"], one["meters"], one["devices"], one["frames"]) for one in groups) == [
            ("AAA5*", 2, 2, 2), ("AAA5Y", 1, 1, 0), ("sends 1-0:1.8, 1-0:16.7", 2, 2, 0), ("sends 1-0:2.8", 1, 1, 0),
        ]  # fmt: skip
        assert all(one["since"] is not None for one in groups)
        name = next(one["group"] for one in groups if one["family"] == "AAA5*")
        status, draft = await ask(running, group=name)
        assert (status, draft["frames"], draft["telegrams"], draft["goldens"]) == (200, 2, 2, 2)
        assert "identification: 'AAA5*'" in draft["text"]
        refused = await typed(running, spec, "draft", "--from-frames")
        assert (refused.exit_code, "4 unknown groups" in refused.output) == (1, True)
        assert (await typed(running, spec, "draft", "--from-frames", "AAA:11111111")).exit_code == 0


async def test_what_a_draft_can_not_be_made_from_is_told(broker: Broker, database: Database) -> None:
    """Frames in the body serve as well; each mistake names its field, and nothing is stored."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO meter (key, protocol) VALUES ('AAA:1', 'p1')")
    async with gateway(gateway_settings(broker, database)) as running:
        status, draft = await ask(running, frames=[telegram().hex()], protocol="p1")
        assert (status, draft["protocol"], draft["codes"]) == (200, "p1", 2)
        told: list[tuple[dict[str, Any], int, str]] = [
            ({}, 422, "body"),
            ({"meter": "AAA:1", "group": "x"}, 422, "body"),
            ({"meter": "AAA:1"}, 422, "meter"),
            ({"meter": "nobody"}, 404, "meter"),
            ({"group": "nobody"}, 404, "group"),
            ({"frames": ["?"]}, 422, "frames.0"),
            ({"frames": ["00", "\u00a7"]}, 422, "frames.1"),
            ({"frames": ["00" * 20]}, 422, "frames"),
            ({"frames": ["00"], "protocol": "morse"}, 422, "protocol"),
            ({"colour": "red"}, 422, "colour"),
        ]
        for request, status, field in told:
            got, problem = await ask(running, **request)
            assert (got, problem.get("field")) == (status, field), (request, problem)
        assert (await post(running, "/specs:draft", "{"))[0] == 400


async def test_a_deprecated_or_drafted_spec_makes_nobody_known(broker: Broker, database: Database) -> None:
    """A meter is known by the spec that reads it, also where that one is deprecated; a draft reads nobody."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(KEY)))
        await until(lambda: seen.desired("d1"), "desired is retained")
        await post(running, "/specs", acme())
        assert len((await running.get("/unknown"))["items"]) == 1
        await published(running, acme())
        assert (await running.get("/unknown"))["items"] == []
        await post(running, "/specs/acme-one/1:deprecate")
        assert (await running.get("/unknown"))["items"] == []


UNITLESS = encode_iec62056(["0.0.0(12345678)", "1.8.0*00(007900.58)"], identification="ACM5MODEL")


async def test_a_group_whose_numbers_lack_a_unit_says_so_and_offers_the_draft(
    broker: Broker, database: Database
) -> None:
    """API, command line and console say which address has none; the draft guesses it, marks that, and says it again."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ('d1')")
        await opened.execute(
            "INSERT INTO meter (key, device_id, protocol, manufacturer, product, serial, facts, installed_at) VALUES "
            "('ACM:12345678', 1, 'iec62056-21', 'ACM', 'MODEL', '12345678', '{\"line\": \"4800 8N1\"}', now())"
        )
    await keep_frames(database, "ACM:12345678", [UNITLESS], "no_spec")
    async with gateway(gateway_settings(broker, database)) as running:
        (group,) = (await running.get("/unknown"))["items"]
        assert group["without_unit"] == ["1.8.0*00"]
        shown = await typed(running, spec, "unknown")
        assert "no unit is on the wire for 1.8.0*00" in shown.output
        assert f"wattline spec draft --from-frames {group['group']}" in shown.output
        drafted = await typed(running, spec, "draft", "--from-frames")
        assert "no unit is on the wire for 1.8.0*00: kWh is a guess" in drafted.stderr
        assert "unit: kWh  # guessed" in drafted.stdout
        assert "from: '1-0:1.8.0*0'  # 1.8.0*00 on the wire" in drafted.stdout
        assert 'serial: ["4800 8N1"]  # as its device found it' in drafted.stdout
        for given in ("1.8.0*00=Wh", "1-0:1.8.0*0=Wh", "1-0:1.8.0=Wh"):
            said = await typed(running, spec, "draft", "--from-frames", "--unit", given)
            assert 'unit: "Wh"  # as its display shows' in said.stdout
            assert said.stderr == ""
        for path in ("/unknown", f"/unknown/{group['group']}", f"/specs/edit?group={group['group']}"):
            async with running.http.get(running.url + path) as page:
                assert "1.8.0*00" in await page.text()


@pytest.mark.parametrize("error", ["other_protocol", "key_needed"])
async def test_a_port_that_cannot_be_read_is_listed_until_a_meter_stands_there(
    broker: Broker, database: Database, error: str
) -> None:
    """Its device tells it by raw frames without a meter; what it speaks and needs is said on every way."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ('d1')")
        await opened.execute(
            "INSERT INTO frame (received_at, at, device_id, topic, kind, reason, detail, port, protocol, hints, data, "
            "delivery) SELECT now() - n * INTERVAL '1 hour', now(), 1, 't', 'frame', 'undecodable', $1, "
            "'/dev/ttyUSB0', 'mbus', '{\"detail\": \"M-Bus: not read yet\"}', '\\x68', gen_random_uuid() "
            "FROM generate_series(1, 30) n",
            error,
        )
    async with gateway(gateway_settings(broker, database)) as running:
        (port,) = (await running.get("/unknown"))["ports"]
        told = {name: port[name] for name in ("device", "port", "protocol", "what", "frames")}
        assert told == {
            "device": "d1", "port": "/dev/ttyUSB0", "protocol": "mbus", "what": "M-Bus: not read yet", "frames": 24,
        }  # fmt: skip
        assert "d1 /dev/ttyUSB0: M-Bus: not read yet" in (await typed(running, spec, "unknown")).output
        async with running.http.get(running.url + "/unknown") as page:
            assert "M-Bus: not read yet" in await page.text()
        async with connection(database) as opened:
            await opened.execute(
                "INSERT INTO meter (key, device_id, port, installed_at) VALUES ('A:1', 1, '/dev/ttyUSB0', now())"
            )
        assert (await running.get("/unknown"))["ports"] == []
