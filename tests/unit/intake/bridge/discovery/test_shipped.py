"""Which shipped mapping reads what devices publish that announce nothing."""

import pytest

from broker.mosquitto.rights import FOREIGN_ROOTS
from intake.bridge.discovery.shipped import read_by, shipped_filters
from intake.bridge.filters import matches


@pytest.mark.parametrize(
    ("topic", "body", "mapping", "meter"),
    [
        ("tele/kitchen/SENSOR", b'{"ENERGY":{"Total":1.5}}', "tasmota-energy", "TASMOTA:kitchen"),
        ("tele/head/SENSOR", b'{"LK13BE":{"Total_in":1.5}}', "tasmota-sml", "TASMOTA:head"),
        ("shellies/shellyem3-123/emeter/2/total", b"17.0", "shelly-3em", "SHELLY:shellyem3-123"),
        ("shellies/shellyem-123/emeter/1/total", b"17.0", "shelly-em", "SHELLY:shellyem-123-1"),
        ("zigbee2mqtt/Dryer", b'{"power":0,"energy":3}', "zigbee2mqtt", "Z2M:Dryer"),
        ("shellyplus1pm-1/events/rpc", b'{"method":"NotifyStatus","params":{"ts":1763892000,"switch:0":{"apower":3}}}',
         "shelly-rpc", "SHELLY:shellyplus1pm-1-0"),
    ],
)  # fmt: skip
def test_a_payload_is_read_by_its_family(topic: str, body: bytes, mapping: str, meter: str) -> None:
    """Of several of one topic by the one that makes readings of it, and whose examples are likest."""
    found = read_by(topic, body)
    assert found is not None
    assert (found.shipped.name, found.meters) == (mapping, (meter,))


@pytest.mark.parametrize(
    ("topic", "body"),
    [("tele/x/SENSOR", b'{"AM2301":{"Temperature":20}}'), ("tele/x/SENSOR", b"\xff"), ("home/x", b"1"),
     ("zigbee2mqtt/bridge/state", b"online"), ("solar/1/0/power", b"n/a")],
)  # fmt: skip
def test_what_none_reads_is_nobodys(topic: str, body: bytes) -> None:
    """Nothing is proposed for a thermometer."""
    assert read_by(topic, body) is None


def test_the_bridge_may_listen_to_all_of_them() -> None:
    """Each filter is a part of what its role may read at our own broker."""
    assert all(any(matches(root, name.replace("+", "x")) for root in FOREIGN_ROOTS) for name in shipped_filters())
