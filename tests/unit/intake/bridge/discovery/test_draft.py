"""Drafts of sources from what devices announce: tried with the payloads that these devices publish."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from intake.bridge.discovery.announcement import Entity, Place, entities
from intake.bridge.discovery.draft import Draft, drafted
from meters.mappings.apply import map_payload
from meters.mappings.load import load_mapping
from meters.mappings.types import Payload

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
ROOT = "wattline/v1"
PLUG = {
    "identifiers": ["zigbee2mqtt_0x00158d0001"],
    "name": "Washing machine",
    "manufacturer": "TuYa",
    "model": "TS011F",
}


def announced(*documents: dict[str, Any]) -> list[Entity]:
    """The entities of several announcements of sensors."""
    return [
        one
        for number, document in enumerate(documents)
        for one in entities(Place("sensor", f"o{number}"), json.dumps(document).encode())
    ]


def draft_of(found: list[Entity]) -> Draft:
    """The draft of one device's entities."""
    draft = drafted(found[0].device, found, ROOT)
    assert draft is not None
    return draft


def readings(draft: Draft, topic: str, body: bytes) -> dict[str, Decimal]:
    """What the draft makes of a payload, by code."""
    mapped = map_payload(load_mapping(draft.document, origin="test"), Payload(body, AT, "", topic))
    assert mapped.faulty == 0, mapped.reason
    (samples,) = mapped.readings.values() or ([],)
    return {code: value for sample in samples for code, value in sample.values.items()}


def zigbee(key: str, device_class: str, unit: str, state_class: str = "measurement") -> dict[str, Any]:
    """An announcement of zigbee2mqtt's."""
    return {
        "device": PLUG, "device_class": device_class, "state_class": state_class, "unit_of_measurement": unit,
        "state_topic": "zigbee2mqtt/Washing machine", "unique_id": f"0x00158d0001_{key}_zigbee2mqtt",
        "value_template": f"{{{{ value_json.{key} }}}}", "enabled_by_default": True,
    }  # fmt: skip


def test_one_topic_with_json() -> None:
    """zigbee2mqtt announces each value of a plug; what is no quantity of a meter says why it is left out."""
    draft = draft_of(
        announced(
            zigbee("energy", "energy", "kWh", "total_increasing"), zigbee("power", "power", "W"),
            zigbee("voltage", "voltage", "V"), zigbee("linkquality", "", "lqi"),
        )
    )  # fmt: skip
    assert draft.name == "washing-machine"
    assert draft.topics == ("zigbee2mqtt/Washing machine",)
    assert draft.meters == ("TUYA:zigbee2mqtt_0x00158d0001",)
    assert list(draft.left_out) == ["0x00158d0001_linkquality_zigbee2mqtt"]
    body = b'{"energy":134.87,"power":18,"voltage":229,"linkquality":76}'
    assert readings(draft, draft.topics[0], body) == {
        "1-0:1.8.0": Decimal("134.87"), "1-0:16.7.0": Decimal("0.018"), "1-0:32.7.0": Decimal(229),
    }  # fmt: skip


def test_our_outlet_s_own_topics_are_no_part_of_a_draft() -> None:
    """Whoever announces them: our meters would come back as readings of another."""
    loop = zigbee("energy", "energy", "kWh", "total_increasing") | {"state_topic": "wattline/ha/wattline/m/state"}
    found = announced(loop)
    assert drafted(found[0].device, found, ROOT) is None
    draft = draft_of([*found, *announced(zigbee("power", "power", "W"))])
    assert list(draft.left_out.values()) == ["its topic is our own outlet's"]


def test_a_topic_for_each_value() -> None:
    """ESPHome and OpenDTU publish plain numbers; the topic tells which one it is."""
    dtu = {"ids": ["116180000000"], "name": "Roof {west}", "mf": "Hoymiles", "mdl": "HM-400"}
    draft = draft_of(
        announced(
            {"dev": dtu, "dev_cla": "energy", "stat_cla": "total_increasing", "unit_of_meas": "kWh",
             "name": "YieldTotal", "stat_t": "solar/116180000000/0/yieldtotal",
             "uniq_id": "116180000000_ch0_YieldTotal"},
            {"dev": dtu, "dev_cla": "power", "stat_cla": "measurement", "unit_of_meas": "W", "name": "Power",
             "stat_t": "solar/116180000000/0/power", "uniq_id": "116180000000_ch0_Power"},
            {"dev": dtu, "dev_cla": "energy", "stat_cla": "total_increasing", "unit_of_meas": "Wh", "name": "YieldDay",
             "stat_t": "solar/116180000000/0/yieldday", "uniq_id": "116180000000_ch0_YieldDay"},
            {"dev": dtu, "dev_cla": "frequency", "stat_cla": "measurement", "unit_of_meas": "Hz", "name": "Frequency",
             "stat_t": "solar/status/frequency", "uniq_id": "116180000000_f"},
        )
    )  # fmt: skip
    assert draft.topics == ("solar/116180000000/0/power", "solar/116180000000/0/yieldtotal", "solar/status/frequency")
    assert readings(draft, "solar/116180000000/0/yieldtotal", b"512.345") == {"1-0:2.8.0": Decimal("512.345")}
    assert readings(draft, "solar/116180000000/0/power", b"287.4") == {"1-0:16.7.0": Decimal("0.2874")}
    assert readings(draft, "solar/status/frequency", b"50.01") == {"1-0:14.7.0": Decimal("50.01")}
    assert "116180000000_ch0_YieldDay" in draft.left_out


def test_templates_that_scale_do_so_in_the_mapping() -> None:
    """Watt-hours divided by a thousand are kWh by what Home Assistant is told, and so are ours."""
    found = announced(
        {"dev": {"ids": ["m"]}, "dev_cla": "energy", "stat_cla": "total", "unit_of_meas": "MWh", "stat_t": "m/state",
         "val_tpl": "{{ value_json.total / 1000000 }}", "uniq_id": "m_energy"},
        {"dev": {"ids": ["m"]}, "dev_cla": "power", "stat_cla": "measurement", "unit_of_meas": "kW",
         "stat_t": "m/state", "val_tpl": "{{ value_json.p if value_json.p > 0 else 0 }}", "uniq_id": "m_power"},
    )  # fmt: skip
    draft = draft_of(found)
    assert readings(draft, "m/state", b'{"total": 1234567}') == {"1-0:1.8.0": Decimal("1234.567")}
    assert "computes" in draft.left_out["m_power"]


def test_two_of_one_quantity_are_no_guess() -> None:
    """The second channel of a double plug has no code of its own: it is left out, and said so."""
    draft = draft_of(
        announced(zigbee("energy", "energy", "kWh", "total"), zigbee("energy_second", "energy", "kWh", "total"))
    )
    assert "already" in draft.left_out["0x00158d0001_energy_second_zigbee2mqtt"]


def test_topics_that_can_not_be_bridged_are_left_out() -> None:
    """Our own devices' messages are nobody's to announce, nor are wildcards."""
    for topic in (f"{ROOT}/devices/pi-1/readings", "tele/+/SENSOR", "$SYS/x", "a/{b}"):
        found = announced({"stat_t": topic, "dev_cla": "power", "unit_of_meas": "W", "dev": {"ids": ["x"]}})
        assert drafted(found[0].device, found, ROOT) is None


def test_nothing_to_read_is_no_draft() -> None:
    """A thermometer."""
    found = announced({"stat_t": "t", "dev_cla": "temperature", "unit_of_meas": "°C", "dev": {"ids": ["x"]}})
    assert drafted(found[0].device, found, ROOT) is None
