"""Meters whose telegrams are encrypted, from a pty to the table: held without keys, read once they are set."""

import asyncio
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from broker.runtime.settings import BrokerAddress
from cli.meters import meter as meter_command
from deploy.local.stack import LocalStack
from device.settings import DetectionSettings, DeviceSettings
from device.simulator import SimulatedDlmsMeter, SimulatedP1Meter
from gateway.enrolment.ca_folder import ROOT
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.meter_key import MeterKey
from store.meter_keys import new_master_keys
from tests.rigs.access import ROOT as TOKEN
from tests.rigs.agent import agent
from tests.rigs.cli import typed
from tests.rigs.enrolling import Claimed, Est, broker_by_certificates, enrolling
from tests.rigs.gateway import rows
from tests.rigs.ingesting import ingesting, settings
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

KEYS = {
    "KFM:1020000123": MeterKey(bytes(range(0x31, 0x41)), bytes(range(0x51, 0x61))),
    "SAG:5112345678": MeterKey(bytes(range(0x71, 0x81))),
}
TITLES = {"KFM:1020000123": b"KFM\x10\x20\x00\x01\x23", "SAG:5112345678": b"SAG\x51\x12\x34\x56\x78"}


def ciphering(meter: str) -> Callable[[bytes], bytes]:
    """What makes telegrams of a meter of those in clear."""
    counter = count(1)
    return lambda text: encode_ciphered(text, TITLES[meter], next(counter), KEYS[meter])


def image(est: Est, device: str, port: int, claim: Claimed, folder: Path, *ports: str) -> DeviceSettings:
    """A Pi that lets itself in."""
    enrol: dict[str, Any] = {
        "url": est.url, "claim": claim.name, "token": SecretStr(claim.token), "authority": est.folder / ROOT,
        "hardware_id": f"{device}-hardware",
    }  # fmt: skip
    return DeviceSettings(
        broker=BrokerAddress(host="localhost", port=port), device_id=device, data_folder=folder, enrol=enrol,
        ports=ports or ("/dev/none",), detection=DetectionSettings(quick_s=1.5, thorough_s=4.0),
    )  # fmt: skip


async def test_encrypted_meters_are_held_and_read_once_their_keys_are_set(
    stack: LocalStack, database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """DLMS and P1 at one Pi that enrolled; both live and kept telegrams become readings; no key lies about anywhere."""
    master = tmp_path / "master"
    new_master_keys().write(master)
    async with broker_by_certificates(stack) as server:
        broker = Broker(server)
        more = {"meter_keys_file": master, "keys_s": 0.5, "job_sweep_s": 1.0}
        async with (
            ingesting(settings(broker, database.dsn("wattline_ingestor"))),
            working(worker_settings(database, meter_keys_file=master)),
            enrolling(broker, database, server.folder.parent / "ca", more=more) as est,
            SimulatedDlmsMeter(serial="6970631401234567", interval_s=1.0, cipher=ciphering("KFM:1020000123")) as dlms,
            SimulatedP1Meter(
                serial="SAG1030700089067", header="Lux5\\253663629_D", cipher=ciphering("SAG:5112345678")
            ) as p1,
        ):
            claim = await est.claim()
            own, other = tmp_path / "pi-1", tmp_path / "pi-2"
            status, _ = await est.api("PATCH", "/parameters", json={"reading_interval_s": 1})
            assert status == 200
            async with (
                agent(image(est, "pi-1", server.device_port, claim, own, dlms.port, p1.port)),
                agent(image(est, "pi-2", server.device_port, claim, other)),
            ):
                await until(lambda: wanting(est, 2), "both meters say that they want a key", timeout_s=120)
                for meter in KEYS:
                    await until(lambda meter=meter: kept(database, meter), f"telegrams of {meter} are kept")
                assert not await rows(database, "SELECT FROM named_reading LIMIT 1")
                for meter, key in KEYS.items():
                    words = ("key", "set", meter, "--key-file", "-", "--token", TOKEN)
                    said = await typed(est.running, meter_command, *words, text=key.encryption.hex())
                    assert said.exit_code == 0, said.output
                for meter in KEYS:
                    for source in ("live", "redecoded"):
                        await until(
                            lambda meter=meter, source=source: readings(database, meter, source),
                            f"{source} readings of {meter}", timeout_s=120,
                        )  # fmt: skip
                await until(lambda: wanting(est, 0), "none wants a key any more")
                told = await typed(est.running, meter_command, "key", "list", "--token", TOKEN, "--json")
                assert told.output.count('"given"') == 2
            given = await rows(
                database, "SELECT key, x.spec FROM meter JOIN meter_spec x ON x.meter_id = id ORDER BY key"
            )
            specs = {one["key"]: str(one["spec"]).partition("@")[0] for one in given}
            assert (specs["KFM:1020000123"], specs["SAG:5112345678"]) == ("kaifa-han", "sagemcom-smarty-lu")
        # the broker writes what it retains to its disk as it ends
        await server.stop()
        said = "".join(capfd.readouterr())
        assert "meter_keys_taken" in said
        seen = [
            await asyncio.to_thread(dumped, stack, database),
            said.encode(),
            *contents(server.folder),
            *contents(other),
        ]
        for key in KEYS.values():
            assert any(key.encryption.hex().encode() in data for data in contents(own)), "the one that has the meters"
            for spelling in (key.encryption, key.encryption.hex().encode(), key.encryption.hex().upper().encode()):
                assert all(spelling not in data for data in seen)


async def wanting(est: Est, number: int) -> bool:
    """Whether so many meters want a key."""
    _, found = await est.api("GET", "/meter-keys")
    return len(found["wanted"]) == number


async def kept(database: Database, meter: str) -> bool:
    """Whether telegrams of a meter wait for its key."""
    sql = "SELECT FROM frame f JOIN meter m ON m.id = f.meter_id WHERE m.key = $1 AND f.reason = 'key_missing' LIMIT 1"
    return bool(await rows(database, sql, meter))


async def readings(database: Database, meter: str, source: str) -> bool:
    """Whether there are readings of a meter that came so."""
    sql = "SELECT FROM named_reading WHERE meter = $1 AND source = $2 LIMIT 1"
    return bool(await rows(database, sql, meter, source))


def contents(folder: Path) -> list[bytes]:
    """All files below a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def dumped(stack: LocalStack, database: Database) -> bytes:
    """All that the database holds, bytea as hex digits."""
    words = [stack.toolchain.postgres_bin / "pg_dump", f"--dbname={database.dsn()}"]
    return subprocess.run(words, check=True, capture_output=True).stdout
