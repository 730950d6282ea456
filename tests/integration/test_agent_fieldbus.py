"""The agent at an M-Bus line, a Modbus line and a Modbus server: found by the setting or a scan, and only asked."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.contract.topics import Kind
from device.settings import DeviceSettings
from device.simulator import SimulatedMbusMeter, SimulatedModbusMeter
from meters.wires.modbus.frames import DEVICE_ID, READS
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


def imports(platform: PlatformSide, meter: str) -> list[float]:
    """The values of the import register, in the order of arrival."""
    return [sample.values["1-0:1.8.0"] for _, sample in platform.samples(meter) if "1-0:1.8.0" in sample.values]


def registered(platform: PlatformSide) -> dict[str, dict[str, object]]:
    """The meters of the last registration, by key."""
    return {meter["key"]: meter for meter in platform.of(Kind.REGISTRATION)[-1]["meters"]}


async def test_meters_at_an_m_bus_line_are_found_and_read(broker: Broker, tmp_path: Path) -> None:
    """Two meters of one primary address are parted by a scan, read in turn by their products' spec, and only asked."""
    await broker.add_device("pi-1")
    second = SimulatedMbusMeter(serial="34839129", seed=9)
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedMbusMeter(serial="14839120", seed=3, beside=(second,)) as first,
        agent(settings(platform, tmp_path, first.port, bus={first.port: ("mbus:scan",)})),
    ):
        await until(lambda: imports(platform, "KAM:14839120") and imports(platform, "KAM:34839129"), timeout_s=120)
        for meter in (first, second):
            values = imports(platform, f"KAM:{meter.serial}")
            assert abs(values[-1] - meter.registers.import_wh / 1000) < 1
        assert registered(platform)["KAM:14839120"]["facts"]["medium"] == "electricity"  # type: ignore[index]
        assert {reading.spec for reading in platform.readings} == {"kamstrup-382-mbus@1"}
        (scanned,) = platform.events("bus_scanned")
        assert scanned.detail["found"] == ["14839120", "34839129"]
        assert {request[1] for request in first.requests if request[0] == 0x10} <= {0x40, 0x5B, 0x7B}
        assert {request[6] for request in first.requests if request[0] == 0x68} == {0x52}


async def test_modbus_units_are_read_by_a_map_over_a_line_and_over_tcp(broker: Broker, tmp_path: Path) -> None:
    """The stated product chooses the spec, whose registers are polled; a silence heals, and nothing is ever written."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedModbusMeter(serial="21346578", unit=3, seed=3) as serial,
        SimulatedModbusMeter(serial="21346579", seed=9) as served,
        served.over_tcp() as url,
        agent(
            settings(
                platform, tmp_path, serial.port, url, bus={serial.port: ("modbus:3:SDM630",), url: ("modbus:1:SDM630",)}
            )
        ),
    ):
        for meter in (serial, served):
            key = f"EAS:{meter.serial}"
            await until(lambda key=key: len(imports(platform, key)) > 1, timeout_s=90)
            assert abs(imports(platform, key)[-1] - meter.registers.import_wh / 1000) < 1
            asked = {body[1] for body in meter.requests}
            assert asked <= {*READS, DEVICE_ID}
        assert {reading.spec for reading in platform.readings} == {"eastron-sdm630@1"}
        assert {meter["product"] for meter in registered(platform).values()} == {"SDM630"}
        serial.inject("silence", 2)
        before = len(imports(platform, f"EAS:{serial.serial}"))
        await until(lambda: len(imports(platform, f"EAS:{serial.serial}")) > before + 1, timeout_s=60)


@pytest.mark.parametrize(
    "addresses",
    [
        ("mbus:251",),
        ("mbus:scan", "modbus:1"),
        ("modbus:x",),
        ("mbus:1234567",),
        ("12345678", "mbus:5"),
        ("modbus:1:",),
    ],
)
def test_what_is_no_address_is_refused_with_the_port_named(addresses: tuple[str, ...]) -> None:
    """A slip in the setting is an error at once, and not a port that stays silent."""
    with pytest.raises(ValidationError, match="bus"):
        DeviceSettings(broker={"host": "x"}, bus={"/dev/ttyUSB0": addresses})  # type: ignore[arg-type]
