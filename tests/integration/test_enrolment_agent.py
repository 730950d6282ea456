"""A real agent lets itself in at a real gateway and a Mosquitto that knows certificates only."""

import shutil
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from pydantic import SecretStr

from broker.backoff import Backoff
from broker.runtime.settings import BrokerAddress
from deploy.local.mosquitto import MosquittoServer
from deploy.local.stack import LocalStack
from device.enrolment.certificate_file import FILE, StoredCertificate, stored_in
from device.settings import DeviceSettings
from gateway.enrolment.ca_folder import ROOT
from tests.rigs.agent import agent
from tests.rigs.enrolling import Claimed, Est, broker_by_certificates, enrolling, tls_broker
from tests.rigs.ingesting import ingesting, settings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

LIFE_S = 9
SECOND_DAYS = 1 / 86_400


class Pi:
    """A Pi with an image: the platform's address, its CA, a claim; `card` is its data folder."""

    def __init__(self, est: Est, port: int, claim: Claimed, card: Path) -> None:
        self._est, self._port, self._claim, self.card = est, port, claim, card

    def settings(self, hardware: str = "pi-1000") -> DeviceSettings:
        """What the image says; its hardware is played."""
        enrol: dict[str, Any] = {
            "url": self._est.url, "claim": self._claim.name, "token": SecretStr(self._claim.token),
            "authority": self._est.folder / ROOT, "hardware_id": hardware,
        }  # fmt: skip
        address = BrokerAddress(host="localhost", port=self._port)
        return DeviceSettings(
            broker=address, device_id="pi-1", data_folder=self.card, ports=("/dev/none",), enrol=enrol
        )

    @property
    def file(self) -> Path:
        """Its certificate."""
        return self.card / "enrolment" / FILE

    def held(self) -> StoredCertificate | None:
        """What it has."""
        return stored_in(self.file)

    def identity(self) -> str:
        """Its login."""
        held = self.held()
        return held.identity if held else ""


async def test_a_pi_lets_itself_in_renews_and_comes_back(
    own_broker: Broker, database: Database, stack: LocalStack, tmp_path: Path
) -> None:
    """After a person's yes; renewed; back after its certificate's end; flashed anew; not as a copy, nor a thief's."""
    rules = {"life_days": LIFE_S * SECOND_DAYS, "retry_s": 1, "alive_s": 0}
    async with enrolling(own_broker, database, tmp_path / "ca", **rules) as est:
        claim = await est.claim(approval="by_person")
        async with tls_broker(stack, est.folder) as mqtt:
            pi = Pi(est, mqtt.port, claim, tmp_path / "card")
            async with agent(pi.settings()):
                [waiting] = await until(est.waiting, "it waits for a person")
                assert (waiting["device"], waiting["hardware"], waiting["reason"]) == (
                    "pi-1", "pi-1000", "the claim wants a person's yes",
                )  # fmt: skip
                assert pi.held() is None
                assert mqtt.connections("pi-1") == 0
                status, _ = await est.api("POST", f"/enrolments/{waiting['id']}:approve")
                assert status == 200
                await until(lambda: mqtt.connections("pi-1"), "it is let in at the broker, by its certificate alone")
                assert stat.S_IMODE(pi.file.stat().st_mode) == 0o600
                first = pi.held()
                await until(lambda: pi.held() != first, "it has renewed its certificate")
                before = mqtt.connections("pi-1")
                await mqtt.restart()
                await until(lambda: mqtt.connections("pi-1") > before, "it is back, by the new one")

            last = pi.held()
            assert last is not None
            assert last.identity == "pi-1"
            await until(lambda: datetime.now(UTC) > last.not_after, "its certificate has ended while it was off")
            before = mqtt.connections("pi-1")
            async with agent(pi.settings()):
                await until(lambda: mqtt.connections("pi-1") > before, "it has renewed what had ended")
            shutil.rmtree(pi.card)
            at_once = Pi(est, mqtt.port, await est.claim(), pi.card)
            async with agent(at_once.settings()):
                await until(lambda: mqtt.connections("pi-1~2"), "flashed anew it has its next login")

            copy = Pi(est, mqtt.port, claim, tmp_path / "copy")
            shutil.copytree(pi.card, copy.card)
            async with agent(copy.settings(hardware="pi-2000")):
                [clone] = await until(est.waiting, "the card in another Pi waits for a person")
                assert (clone["hardware"], clone["reason"]) == ("pi-2000", "another machine has this device id")
                assert copy.held() is None

            copied = load_pem_private_key(pi.file.read_bytes(), None)
            shown = load_pem_x509_certificates(pi.file.read_bytes())[0]
            stolen = await est.renew(shown, copied, "pi-1", "pi-1000", generate_private_key(SECP256R1()))
            assert stolen.name == "pi-1~2", "who has a copy of the key was the first to renew by it"
            async with agent(at_once.settings()):
                [owner] = await until(lambda: by_certificate(est), "the owner's renewal waits for a person")
                assert (owner["hardware"], "one of both is a copy's" in owner["reason"]) == ("pi-1000", True)
                assert (await est.api("POST", f"/enrolments/{owner['id']}:approve"))[0] == 200
                await until(lambda: pi.identity() == "pi-1~3", "the owner has its next login, unaided")
                # this broker knows certificates only: ours, which knows logins, would have cut the session
                await mqtt.restart()
                await until(lambda: mqtt.connections("pi-1~3"), "and comes in by it")
            late = await est.renew(shown, copied, "pi-1", "pi-1000")
            assert late.status == 403, "and the thief is out"


async def by_certificate(est: Est) -> list[dict[str, Any]]:
    """Who waits and showed a certificate."""
    return [one for one in await est.waiting() if one["claim"] is None]


async def test_an_agent_says_what_keeps_it_out(
    own_broker: Broker, database: Database, stack: LocalStack, tmp_path: Path
) -> None:
    """A wrong token, or a gateway that is away, is no end: readings go into the outbox, and the agent asks on."""
    async with enrolling(own_broker, database, tmp_path / "ca") as est:
        async with tls_broker(stack, est.folder) as mqtt:
            pi = Pi(est, mqtt.port, Claimed("nobody", "wlc_wrong"), tmp_path / "card")
            async with agent(pi.settings()) as stop:

                async def refused() -> float:
                    return await est.running.metric("wattline_gateway_enrolments_total", result="unidentified")

                await until(refused, "the gateway has refused it")
                assert not stop.is_set()
            assert pi.held() is None
            assert mqtt.connections("pi-1") == 0


@pytest.fixture
async def fleet_broker(stack: LocalStack) -> AsyncIterator[MosquittoServer]:
    """A Mosquitto that judges devices by the certificates of an authority, which is in `ca` beside its folder."""
    async with broker_by_certificates(stack) as server:
        yield server


async def is_online(est: Est, *, want: bool = True) -> bool:
    """Whether the device is online, as the platform knows."""
    _, page = await est.api("GET", "/devices")
    return [one["online"] for one in page["items"]] == [want]


async def test_a_revoked_pi_asks_soon_and_comes_back_by_a_person_s_yes_alone(
    fleet_broker: MosquittoServer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weeks before its renewal is due, while it runs; its claim, which lets in at once, does not let it in again."""
    monkeypatch.setattr("device.enrolment.schedule.REFUSED_S", 1.0)
    monkeypatch.setattr("device.enrolment.enrolment.LOOK_EVERY_S", 0.2)
    monkeypatch.setattr("broker.mqtt.session.Backoff", lambda *_, **__: Backoff(cap_s=0.5))
    broker = Broker(fleet_broker)
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        enrolling(broker, database, fleet_broker.folder.parent / "ca", retry_s=1, alive_s=0) as est,
    ):
        pi = Pi(est, fleet_broker.device_port, await est.claim(), tmp_path / "card")
        async with agent(pi.settings()):
            await until(lambda: is_online(est), "it is let in")
            status, said = await est.api("POST", "/devices/pi-1/credentials:rotate")
            assert (status, "wattline device revoke pi-1" in said["errors"][0]["fix"]) == (409, True)
            assert (await est.api("POST", "/devices/pi-1/credentials:revoke"))[0] == 200
            await until(lambda: is_online(est, want=False), "it is cut off")
            [waiting] = await until(est.waiting, "it asks, and waits for a person")
            assert waiting["reason"] == "this device's login was revoked"
            status, said = await est.api("POST", "/devices/pi-1/credentials:rotate")
            assert (status, "`wattline enrol approve NUMBER`" in said["errors"][0]["fix"]) == (409, True)
            before = await enrolments(est, "waiting")
            await until(lambda: more(est, "waiting", before + 1), "it asks again")
            assert (pi.identity(), await is_online(est)) == ("pi-1", False), "and stays out meanwhile"
            refused = await enrolments(est, "refused")
            assert (await est.api("POST", f"/enrolments/{waiting['id']}:approve"))[0] == 200
            await until(lambda: is_online(est), "a person's yes, and it is back without a visit")
            assert pi.identity() == "pi-1~2"

            assert (await est.api("POST", "/devices/pi-1/credentials:revoke"))[0] == 200
            [waiting] = await until(est.waiting, "revoked again, it asks again")
            assert (await est.api("POST", f"/enrolments/{waiting['id']}:refuse"))[0] == 200
            await until(lambda: more(est, "refused", refused + 1), "a person's no, and it is told")
            assert (pi.identity(), await is_online(est), await est.waiting()) == ("pi-1~2", False, [])


async def enrolments(est: Est, result: str) -> float:
    """How many requests ended so."""
    return await est.running.metric("wattline_gateway_enrolments_total", result=result)


async def more(est: Est, result: str, than: float) -> bool:
    """Whether more than so many did."""
    return await enrolments(est, result) > than
