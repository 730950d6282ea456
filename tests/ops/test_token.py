"""A device's key in a token, from enrolment to a renewed certificate: Debian 13's own provider, SoftHSM, Mosquitto."""

import shutil
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate

from deploy.local.mosquitto import MosquittoServer
from deploy.local.stack import LocalStack
from device.enrolment.certificate_file import FILE, StoredCertificate, stored_in
from device.simulator import SimulatedP1Meter
from gateway.enrolment.ca_folder import ROOT
from store.meter_keys import new_master_keys
from tests.rigs.access import ROOT as TOKEN
from tests.rigs.access import ask
from tests.rigs.agent_process import Process
from tests.rigs.enrolling import Est, broker_by_certificates, enrolling
from tests.rigs.ingesting import Table, ingesting, settings, table
from tests.rigs.ops_report import record
from tests.rigs.serial_server import serial_server
from tests.rigs.servers import Broker, Database
from tests.rigs.tokens import PIN, TokenMachine, said, token_machine
from tests.rigs.waiting import until

LIFE_S = 40
KEY = "00112233445566778899aabbccddeeff"
WITHOUT_VALUE = """
import sys
from pathlib import Path
from device.token import module
from device.token.keys import opened
from device.token_uri import TokenUri
with opened(TokenUri.parse(sys.argv[1]), Path(sys.argv[2])) as keys:
    found = keys.module.objects({module.CLASS: module.PRIVATE_KEY})
    print(len(found))
    for one in found:
        print(keys.module.value(one, module.EXTRACTABLE), keys.module.value(one, module.SENSITIVE))
        try:
            print("given away", keys.module.value(one, module.VALUE))
        except module.TokenError as error:
            print(hex(error.code))
"""


@pytest.fixture
async def machine() -> AsyncIterator[TokenMachine]:
    """A Debian 13 with a token."""
    async with token_machine() as made:
        yield made


@pytest.fixture
async def fleet_broker(stack: LocalStack) -> AsyncIterator[MosquittoServer]:
    """A Mosquitto that judges devices by their certificates alone."""
    async with broker_by_certificates(stack) as server:
        yield server


class Device:
    """An agent on a machine with a token, and what the platform has of it."""

    def __init__(self, machine: TokenMachine, est: Est, broker_port: int, stored: Table, port: str) -> None:
        self.machine, self.est, self._broker_port, self.stored, self._port = machine, est, broker_port, stored, port
        self.card = machine.home / "card"

    async def settings(self) -> dict[str, str]:
        """What its image says."""
        shutil.copy(self.est.folder / ROOT, self.machine.home / "root.pem")
        claim = await self.est.claim()
        return {
            "BROKER__HOST": "localhost", "BROKER__PORT": str(self._broker_port),
            "ENROL__URL": self.est.url, "ENROL__AUTHORITY": self.machine.inside("root.pem"),
            "ENROL__CLAIM": claim.name, "ENROL__TOKEN": claim.token, "ENROL__HARDWARE_ID": "pi-1000",
            "ENROL__KEY": self.machine.uri, "DEVICE_ID": "pi-1", "DATA_FOLDER": self.machine.inside("card"),
            "PORTS": self._port, "HTTP_PORT": "0", "LOG_FORMAT": "json", "SYNC_S": "0.1",
        }  # fmt: skip

    @property
    def file(self) -> Path:
        """Its certificate."""
        return self.card / "enrolment" / FILE

    def held(self) -> StoredCertificate | None:
        """What it has."""
        return stored_in(self.file)

    def public(self) -> Any:
        """The public key in its certificate."""
        return load_pem_x509_certificate(self.file.read_bytes()).public_key()

    async def online(self) -> bool:
        """As the platform knows."""
        _, page = await self.est.api("GET", "/devices")
        return [one["online"] for one in page["items"]] == [True]

    async def stores_more(self) -> None:
        """A reading that it has not yet."""
        before = await self.stored.readings()

        async def more() -> bool:
            return await self.stored.readings() > before

        await until(more, "its readings are stored")

    async def keys(self) -> list[str]:
        """What the token says of its private keys, asked with the PIN."""
        words = ("python3", "-c", WITHOUT_VALUE, self.machine.uri, self.machine.inside("card/enrolment"))
        return (await self.machine.run(*words)).splitlines()

    def nothing_secret_on_disk(self) -> None:
        """No file of it holds a private key."""
        files = [path for path in self.card.rglob("*") if path.is_file()]
        assert self.file in files
        assert not [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
        assert stat.S_IMODE(self.file.stat().st_mode) == 0o600


@pytest.fixture
async def device(
    fleet_broker: MosquittoServer, database: Database, machine: TokenMachine, tmp_path: Path
) -> AsyncIterator[Device]:
    """With a meter at its port, and a platform that stores."""
    broker = Broker(fleet_broker)
    master = tmp_path / "master"
    new_master_keys().write(master)
    rules = {"life_days": LIFE_S / 86_400, "retry_s": 1, "alive_s": 0}
    more = {"meter_keys_file": master, "keys_s": 0.2}
    folder = fleet_broker.folder.parent / "ca"
    async with (
        SimulatedP1Meter(serial="E0044007133156018", seed=1) as meter,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        enrolling(broker, database, folder, more=more, **rules) as est,
        table(database) as stored,
    ):
        with serial_server(meter.port) as port:
            yield Device(machine, est, fleet_broker.device_port, stored, port)


async def test_a_key_never_leaves_its_token(device: Device, fleet_broker: MosquittoServer) -> None:
    """Enrolled, let in, renewed by the same key, given a meter's key, back after a restart; and then without it."""
    image = await device.settings()
    async with device.machine.agent(image) as agent:
        await until(device.online, "it is let in, by a certificate whose key is in the token")
        await device.stores_more()
        device.nothing_secret_on_disk()
        first, public = device.held(), device.public()
        await until(lambda: device.held() not in (None, first), "it has renewed its certificate")
        assert device.public() == public, "a key that nobody can copy is kept"
        assert await device.keys() == ["1", "b'\\x00' b'\\x01'", "0x11"], "sensitive: it is not to be had"
        meter = await device.stored.value("SELECT key FROM meter LIMIT 1")
        status, said_of_it, _ = await ask(
            device.est.running, "PUT", f"/meters/{meter}/key", TOKEN, json={"encryption": KEY}
        )
        assert status == 200, said_of_it
        await agent.until_metric('wattline_device_meter_keys_total{result="taken"}', 1)
        assert not said(agent, "token_unusable")
        in_token_mib = rss_mib(agent)
        await fleet_broker.restart()
        await until(device.online, "it is back, by the new certificate")
    device.nothing_secret_on_disk()
    async with device.machine.agent(image):
        await device.stores_more()
    async with device.machine.agent({name: value for name, value in image.items() if name != "ENROL__KEY"}) as agent:
        await until(lambda: said(agent, "certificate_key_in_token"), "without the setting it says so")
        await until(lambda: (held := device.held()) is not None and held.identity == "pi-1~2", "and is let in anew")
        await device.stores_more()
        record("token", rss_mib=in_token_mib, without_mib=rss_mib(agent))
    async with device.machine.agent(image):
        await until(lambda: b"PRIVATE KEY" not in device.file.read_bytes(), "set again, its next key is in the token")
        assert (held := device.held()) is not None
        assert held.identity == "pi-1~2", "by a renewal, and not by the claim"
        await device.stores_more()


async def test_what_is_wrong_with_a_token_is_said_and_readings_are_kept(
    device: Device, fleet_broker: MosquittoServer
) -> None:
    """A wrong PIN, which is tried once; a token that was taken out; another one in its place."""
    image, pin = await device.settings(), device.machine.home / "pin"
    async with device.machine.agent(image):
        await device.stores_more()
    pin.write_text("000000\n")
    async with device.machine.agent(image) as agent:
        await until(lambda: said(agent, "token_unusable"), "it says what is wrong")
        await agent.until_metric("wattline_device_enrolments_total", 2)
        tried, refused = [one["reason"] for one in said(agent, "token_unusable")]
        assert tried.startswith("WATTLINE_DEVICE_ENROL__KEY: pin-source: the PIN in ")
        assert "is not tried again" in refused
        await agent.until_metric("wattline_device_samples_total", 1)
        pin.write_text(PIN + "\n")
        await until(lambda: said(agent, "token_usable"), "the right PIN, and it goes on by itself")
        await device.stores_more()

    tokens, away = device.machine.home / "tokens", device.machine.home / "away"
    async with device.machine.agent(image) as agent:
        await until(device.online, "it is back")
        tokens.rename(away)
        tokens.mkdir()
        await device.stores_more()
        await fleet_broker.restart()
        [fault] = await until(lambda: said(agent, "token_unusable"), "for another connection it misses its token")
        assert "there is no token 'wattline'" in fault["reason"]
        tokens.rmdir()
        away.rename(tokens)
        await device.stores_more()

    await device.machine.set_up()
    async with device.machine.agent(image):
        await until(lambda: (held := device.held()) is not None and held.identity == "pi-1~2", "a new token: a new key")
        await device.stores_more()


def rss_mib(agent: Process) -> float:
    """What the agent takes of the memory."""
    text = Path(f"/proc/{agent.process.pid}/status").read_text()
    return round(int(text.partition("VmRSS:")[2].split()[0]) / 1024, 1)
