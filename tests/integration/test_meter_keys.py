"""Keys of meters at a real gateway, database and broker: written by people, read by the one device, seen by nobody."""

import asyncio
import base64
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.contract.keys import SealedKeys
from broker.contract.topics import Kind
from cli.meters import meter as meter_command
from deploy.local.stack import LocalStack
from gateway.keys.cli import master_key
from store.meter_keys import MasterKeys
from store.source_settings import open_secret
from tests.rigs.access import ROOT, ask
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, connection, entered, events, p1_meter, rows, send
from tests.rigs.meter_keys import KEY, Certified, listening, serving
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.strict_html import faults
from tests.rigs.waiting import until

METER = "KFM:1020000123"
PATH = f"/meters/{METER}/key"
AUTHENTICATION = "5f" * 16


def spellings(secret: str) -> tuple[bytes, ...]:
    """How a key could be found in files and tables: hex of either case, octets, base64."""
    octets = bytes.fromhex(secret)
    return secret.encode(), secret.upper().encode(), octets, base64.b64encode(octets).rstrip(b"=")


async def state(running: Gateway) -> str:
    status, found, _ = await ask(running, "GET", PATH, ROOT)
    return str(found["state"]) if status == 200 else str(status)


async def settled(running: Gateway, wanted: str) -> None:
    async def is_so() -> bool:
        return await state(running) == wanted

    await until(is_so, f"the key is {wanted}")


async def test_a_key_goes_to_the_one_device_and_nobody_else_ever_sees_it(
    broker: Broker, database: Database, stack: LocalStack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Set by a person, opened by the device where the meter stands alone, withdrawn as it leaves, in clear nowhere."""
    owner, other = Certified("pi-1"), Certified("pi-2")
    await broker.add_devices("pi-1", "pi-2")
    topic = broker.topics.of(Kind.KEYS, "pi-1")
    async with (
        serving(broker, database, tmp_path / "master") as running,
        listening(broker, owner, "pi-1"),
        listening(broker, other, "pi-1"),
        entered(broker, "pi-1") as session,
    ):
        assert (await ask(running, "PUT", PATH, ROOT, json={"encryption": KEY}))[0] == 404
        await Registrant(broker, running, session, "pi-1").register(
            p1_meter(METER, facts={"key_state": "missing", "system_title": "KFM1020000123"})
        )
        async with connection(database) as opened:
            await opened.execute("INSERT INTO device (name) VALUES ('pi-2') ON CONFLICT DO NOTHING")
        listed = (await ask(running, "GET", "/meter-keys", ROOT))[1]
        assert (listed["items"], listed["wanted"]) == ([], [{"meter": METER, "device": "pi-1", "key": "missing"}])
        for bad in ({"encryption": KEY[:-1] + "x"}, {"encryption": KEY, "more": KEY}, {"authentication": KEY}, {}):
            status, refused, _ = await ask(running, "PUT", PATH, ROOT, json=bad)
            assert (status, KEY[:-1] in str(refused)) == (422, False), refused
        words = ("key", "set", METER, "--key-file", "-", "--token", ROOT)
        said = await typed(running, meter_command, *words, text=f"{KEY.upper()}\n")
        assert said.exit_code == 0, said.output
        assert KEY not in said.output.lower()
        await settled(running, "no_certificate")
        assert owner.keys() is None
        await owner.certify(database)
        await settled(running, "given")
        await until(lambda: owner.keys() == {METER: {"encryption": KEY}}, "its device has it")
        both = {"encryption": KEY, "authentication": AUTHENTICATION}
        assert (await ask(running, "PUT", PATH, ROOT, json=both))[0] == 200
        await until(lambda: owner.keys() == {METER: both}, "and the new one")
        shown = (await ask(running, "GET", PATH, ROOT))[1]
        assert (shown["kinds"], shown["set_by"]) == (["authentication", "encryption"], "api")
        # another device is sent nothing; and what monitors and the broker's disk have, it can't open
        assert other.payloads == []
        other.payloads.append(owner.payloads[-1])
        assert other.keys() is None
        # what somebody puts in the broker in its place goes, and what comes back is newer
        async with entered(broker, "gateway") as forger:
            await send(forger, broker.topics, Kind.KEYS, "pi-1", b"")
        before = SealedKeys.parse(owner.payloads[-1] or owner.payloads[-2]).version
        await until(lambda: owner.payloads[-1] and SealedKeys.parse(owner.payloads[-1]).version > before, "it is back")
        await leave_and_remove(running, broker, database, owner, other)
        await until(lambda: other.keys() == {}, "removed, the device is told to forget it")
        audited = (await ask(running, "GET", "/audit?limit=1000", ROOT))[1]["items"]
        assert [one["body"] for one in audited if one["action"] == "putMeterKey"] == [""] * 7
    dump = await asyncio.to_thread(dumped, stack, database)
    logs = "".join(capfd.readouterr())
    assert "meter_key_set" in logs
    for secret in (KEY, AUTHENTICATION):
        for spelling in spellings(secret):
            assert spelling not in dump
            assert spelling not in logs.encode()
            assert all(spelling not in payload for payload in owner.payloads), topic


async def leave_and_remove(
    running: Gateway, broker: Broker, database: Database, owner: Certified, other: Certified
) -> None:
    """The meter is another device's now, by nobody's word; then by a person's; then the key is removed."""
    await other.certify(database)
    other.payloads.clear()
    async with listening(broker, other, "pi-2"):
        async with connection(database) as opened:
            await opened.execute(
                "UPDATE meter SET device_id = (SELECT id FROM device WHERE name = 'pi-2') WHERE key = $1", METER
            )
        await until(lambda: owner.keys() == {}, "who no longer has the meter forgets its key")
        assert await state(running) == "withheld"
        assert other.payloads == []
        assert (await ask(running, "POST", f"{PATH}:release", ROOT))[0] == 200
        await until(lambda: METER in (other.keys() or {}), "the other one has it by a person's word")
        words = ("key", "remove", METER, "--token", ROOT)
        assert (await typed(running, meter_command, *words)).exit_code == 0
        await until(lambda: other.keys() == {}, "removed")
        assert await state(running) == "404"
        assert {one["event"] for one in await rows(database, "SELECT event FROM event")} >= {
            "meter_key_set", "meter_key_released", "meter_key_removed", "meter_keys_not_given",
        }  # fmt: skip
        assert (await events(database, "meter_key_set"))[0]["detail"]["author"].startswith("api")


async def test_another_master_key_seals_what_is_there(broker: Broker, database: Database, tmp_path: Path) -> None:
    """Rotation seals anew and forgets the old one; a database without the file, or with another one, gives nothing."""
    await broker.add_device("pi-1")
    file = tmp_path / "master"
    async with serving(broker, database, file) as running:
        async with entered(broker, "pi-1") as session:
            await Registrant(broker, running, session, "pi-1").register(p1_meter(METER))
        page = await console_page(running, "GET")
        assert ("No key or password is set" in page, "Set key and password" in page) == (True, True)
        assert "no key of 16 octets" in await console_page(running, "POST", encryption=KEY[:-1])
        page = await console_page(running, "POST", encryption=KEY, authentication="")
        assert ("by api" in page, "Replace key" in page, KEY in page) == (True, True, False)
        [old] = await rows(database, "SELECT sealed, master, fingerprint FROM meter_key")
        first = MasterKeys.load(file)
        assert (await ask(running, "POST", "/sources", ROOT, json={"name": "acme"}))[0] == 200
        given = {"secret": "what-acme-signs-with"}
        assert (await ask(running, "PUT", "/sources/acme/secret", ROOT, json=given))[0:2] == (
            200, {"name": "acme"} | given,
        )  # fmt: skip
        for words in ((), ("--forget",)):
            said = await asyncio.to_thread(rotated, database, file, *words)
            assert said.exit_code == 0, said.output
        [new] = await rows(database, "SELECT sealed, master, fingerprint FROM meter_key")
        now = MasterKeys.load(file)
        assert len(now.keys) == 1
        assert now.open(METER, new["master"], new["sealed"]) == {"encryption": KEY}
        assert first.open(METER, old["master"], old["sealed"]) == {"encryption": KEY}
        [secret] = await rows(database, "SELECT secret, master FROM source")
        assert open_secret(now, "acme", secret["master"], secret["secret"]).current == given["secret"]
        for master, moved in ((first, METER), (now, "KFM:ANOTHER")):
            with pytest.raises(Exception, match="sealed"):
                master.open(moved, new["master"], new["sealed"])
        file.chmod(0o644)
        status, refused, _ = await ask(running, "PUT", PATH, ROOT, json={"encryption": KEY})
        assert (status, "chmod 600" in refused["detail"]) == (409, True)


async def console_page(running: Gateway, method: str, **form: str) -> str:
    """The console's page of the key, or what it answers to its form."""
    headers = {"Authorization": f"Bearer {ROOT}", "HX-Request": "true"}
    url = f"{running.url}{PATH}"
    async with running.http.request(method, url, headers=headers, data=form or None) as response:
        text = await response.text()
    assert response.status == 200, text
    assert faults(text) == []
    return text


def dumped(stack: LocalStack, database: Database) -> bytes:
    """All that the database holds, bytea as hex digits."""
    words = [stack.toolchain.postgres_bin / "pg_dump", f"--dbname={database.dsn()}"]
    return subprocess.run(words, check=True, capture_output=True).stdout


def rotated(database: Database, file: Path, *words: str) -> Result:
    """`wattline master-key rotate`."""
    return CliRunner().invoke(master_key, ["rotate", "--file", str(file), "--dsn", database.dsn(), *words])
