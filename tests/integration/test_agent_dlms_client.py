"""The agent at DLMS meters that must be asked: by the setting, over TCP, by itself, and by what a spec wants."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from broker.contract.messages import Parameters, Source
from broker.contract.topics import Kind
from device.settings import DeviceSettings
from device.simulator import SimulatedPolledDlmsMeter
from meters.specs.spec import load_spec
from meters.wires.dlms.client.station import Access, Authentication
from meters.wires.meter_key import MeterKey
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


def imports(platform: PlatformSide, meter: str) -> list[float]:
    """The values of the import register, in the order of arrival."""
    return [sample.values["1-0:1.8.0"] for _, sample in platform.samples(meter) if "1-0:1.8.0" in sample.values]


async def test_dlms_meters_are_asked_over_a_line_over_tcp_and_where_nobody_stated_one(
    broker: Broker, tmp_path: Path
) -> None:
    """Each says who it is and gives its registers by its own scalers; nothing is ever written.

    At a port of which nothing was said the public client is tried once nobody pushes and no sign-on is answered.
    """
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3) as line,
        SimulatedPolledDlmsMeter(serial="71823457", seed=5) as served,
        SimulatedPolledDlmsMeter(serial="71823458", seed=7) as unstated,
        served.over_tcp() as url,
        agent(
            settings(
                platform, tmp_path, line.port, url, unstated.port,
                bus={line.port: ("dlms:16/1",)},
            )
        ),
    ):  # fmt: skip
        for meter in (line, served, unstated):
            key = f"LGZ:{meter.serial}"
            await until(lambda key=key: imports(platform, key), timeout_s=120)
            assert abs(imports(platform, key)[-1] - meter.registers.import_wh / 1000) < 0.1
            assert {request[0] for request in meter.requests} == {0xC0}
        assert {reading.spec for reading in platform.readings} == {"dlms-asked@2"}
        facts = {meter["key"] for meter in platform.of(Kind.REGISTRATION)[-1]["meters"]}
        assert {"LGZ:71823456", "LGZ:71823457", "LGZ:71823458"} <= facts


SPEC = """
name: asked-lgz
version: 1
product: {name: meter of the test, manufacturer: LGZ}
match: {protocol: dlms, manufacturer: LGZ, prefer: {all: [1-0:1.6.0]}}
source: [test]
link: {mode: poll, dlms: {client: 2, authentication: hls5, objects: [{obis: 1-0:1.8.0}, {obis: 0-0:1.0.0, class: 8}]}}
decode: {key_ref: reader}
time: {zone: Europe/Berlin}
standard: true
history: {method: profile_generic, capture_period_s: 900, depth_days: 40}
"""
PREFERRED = "prefer: {all: [1-0:1.6.0]}"
KEYS = "000102030405060708090a0b0c0d0e0f/d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"


async def test_a_spec_says_who_asks_and_for_what_and_its_memory_is_read(broker: Broker, tmp_path: Path) -> None:
    """Two objects as the client with keys, and the hours before first power from the load profile."""
    await broker.add_device("pi-1")
    access = Access(Authentication.HLS5, key=MeterKey.parse(*KEYS.split("/")), title=b"ANY\x00\x00\x00\x00\x00")
    parameters = Parameters(reading_interval_s=5, publish_interval_s=0.2, history_days_back=0.1)
    spec = load_spec(SPEC, origin="test")
    async with (
        PlatformSide(broker, "pi-1", parameters=parameters, receipts=True, more_specs=(spec,)) as platform,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clients={16: Access(), 2: access}) as meter,
        meter.over_tcp() as url,
        agent(settings(platform, tmp_path, url, dlms_secrets={"reader": SecretStr(KEYS)})),
    ):
        key = "LGZ:71823456"
        [read] = await until(lambda: platform.events("history_read"), timeout_s=90)
        found = {
            sample.at: sample
            for readings in platform.readings
            if readings.source is Source.PROFILE
            for sample in readings.samples
        }
        assert len(found) == read.detail["intervals"] >= 9
        ends = [int(at.timestamp()) for at in found]
        rows = meter.intervals.rows(min(ends), max(ends), max(ends))
        wanted = {row.end: row.import_ws // 36_000 / 100 for row in rows}
        assert {int(at.timestamp()): sample.values["1-0:1.8.0"] for at, sample in found.items()} == wanted
        assert await until(lambda: imports(platform, key))
        live = [sample for source, sample in platform.samples(key) if "1-0:32.7.0" not in sample.values]
        assert live
    assert not platform.events("meter_key_needed")
    assert not platform.events("history_refused")


@pytest.mark.parametrize(
    ("port", "addresses"),
    [
        ("/dev/ttyUSB0", ("dlms:0",)),
        ("/dev/ttyUSB0", ("dlms:128/1",)),
        ("/dev/ttyUSB0", ("dlms:16/1.2.3",)),
        ("/dev/ttyUSB0", ("dlms:16/1/3",)),
        ("/dev/ttyUSB0", ("dlms:16", "mbus:5")),
        ("dlms+tcp://meter:4059", ("modbus:1",)),
        ("modbus+tcp://meter:502", ("dlms:16",)),
    ],
)
def test_what_is_no_dlms_address_is_refused(port: str, addresses: tuple[str, ...]) -> None:
    """A slip in the setting is an error at once, and not a port that stays silent."""
    with pytest.raises(ValidationError, match="bus"):
        DeviceSettings(broker={"host": "x"}, bus={port: addresses}, dlms_secrets={"a": SecretStr("b")})  # type: ignore[arg-type]


async def test_a_meter_that_refuses_its_password_is_told_and_told_again_when_it_opens(
    broker: Broker, tmp_path: Path
) -> None:
    """By its key, once an hour: what is missing, what is refused, and that it was let in at last."""
    await broker.add_device("pi-1")
    text = SPEC.replace("hls5", "lls").replace("client: 2", "client: 1").replace(PREFERRED, "facts: {asked: 'yes'}")
    spec = load_spec(text, origin="test")
    clients = {16: Access(), 1: Access(Authentication.LLS, password=b"right")}
    key = "LGZ:71823456"
    parameters = Parameters(reading_interval_s=5, publish_interval_s=0.2, history_days_back=0)
    async with (
        PlatformSide(broker, "pi-1", parameters=parameters, receipts=True, more_specs=(spec,)) as platform,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clients=clients) as meter,
        meter.over_tcp() as url,
    ):
        async with agent(settings(platform, tmp_path, url)):
            [told] = await until(lambda: platform.events("meter_access_refused"), timeout_s=60)
            assert (told.meter, told.detail["reason"]) == (key, "secret_missing")
            assert f"wattline meter key set {key}" in told.detail["fix"]
        async with agent(settings(platform, tmp_path, url, dlms_secrets={"reader": SecretStr("wrong")})):
            two = await until(lambda: (e := platform.events("meter_access_refused")) and len(e) > 1 and e, timeout_s=60)
            assert (two[1].meter, two[1].detail["reason"]) == (key, "meter_refused")
            assert "authentication failed" in two[1].detail["detail"]
            assert "wrong" not in str(two[1].detail)
            assert not platform.events("meter_access_granted")
            clients[1] = Access(Authentication.LLS, password=b"wrong")
            [granted] = await until(lambda: platform.events("meter_access_granted"), timeout_s=60)
            assert granted.meter == key
