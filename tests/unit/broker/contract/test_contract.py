"""The contract's messages and topics: what travels, and what is refused."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.keys import SealedKeys
from broker.contract.messages import (
    MAX_PAYLOAD_BYTES,
    Command,
    Desired,
    EventMessage,
    Frames,
    Message,
    RawFrame,
    Readings,
    Receipts,
    Registration,
    Reply,
    Reported,
    SpecMessage,
    Status,
)
from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.contract.topics import DELIVERY, DEVICE_WRITES, Kind, Topics, shared
from broker.errors import ContractError

GOLDEN = Path(__file__).parents[3] / "data" / "contract"
MODELS: dict[str, type[Message]] = {
    "command": Command,
    "desired": Desired,
    "event": EventMessage,
    "frames": Frames,
    "keys": SealedKeys,
    "readings": Readings,
    "receipts": Receipts,
    "registration": Registration,
    "reply": Reply,
    "reported": Reported,
    "software-desired": SoftwareDesired,
    "software-reported": SoftwareReported,
    "spec": SpecMessage,
    "status": Status,
}


@pytest.mark.parametrize("name", MODELS)
def test_golden_payload_survives_a_round_trip(name: str) -> None:
    """A payload of the contract is read and written again to the same JSON: a diff here is a contract change."""
    text = (GOLDEN / f"{name}.json").read_bytes()
    message = MODELS[name].parse(text)
    assert json.loads(message.payload()) == json.loads(text)


def test_every_model_has_a_golden_payload() -> None:
    """No message is without its golden payload, and no golden payload without a message."""
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(MODELS)


def readings(**changes: object) -> bytes:
    """The golden readings with some fields changed."""
    document = json.loads((GOLDEN / "readings.json").read_text())
    document.update(changes)
    return json.dumps(document).encode()


def test_unknown_fields_are_ignored_on_receipt_at_any_depth() -> None:
    """A newer sender may say more than an older receiver knows."""
    document = json.loads((GOLDEN / "readings.json").read_text())
    document["new"] = 1
    document["samples"][0]["quality"] = "good"
    assert Readings.parse(json.dumps(document).encode()) == Readings.parse((GOLDEN / "readings.json").read_bytes())


def test_a_status_may_say_nothing_of_the_outbox() -> None:
    """A last will and an agent of before don't."""
    document = json.loads((GOLDEN / "status.json").read_text())
    del document["outbox"]
    assert Status.parse(json.dumps(document).encode()).outbox is None


def test_unknown_fields_are_refused_on_sending() -> None:
    """What we send holds only what the contract names."""
    with pytest.raises(ValueError, match="extra"):
        Status(online=True, boot="ab12", software="1", since=datetime.now(UTC), mood="good")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"{", "payload"),
        (b"\xff\xfe", "payload"),
        (b"[]", "payload"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "payload"),
        (readings(seq=0), "seq"),
        (readings(seq="184"), "seq"),
        (readings(boot="XYZ!"), "boot"),
        (readings(meter="has space"), "meter"),
        (readings(spec="no-version"), "spec"),
        (readings(samples=[]), "samples"),
        (readings(samples=[{"at": "2026-11-23T10:00:00", "values": {"1-0:1.8.0": 1}}]), "samples.0.at"),
        (readings(samples=[{"at": "0001-01-01T00:00:00+14:00", "values": {"1-0:1.8.0": 1}}]), "samples.0.at"),
        (readings(samples=[{"at": 1700000000, "values": {"1-0:1.8.0": 1}}]), "samples.0.at"),
        (readings(samples=[{"at": "2026-11-23T10:00:00Z", "values": {"1-0:1.8.0": "1"}}]), "samples.0.values"),
        (readings(samples=[{"at": "2026-11-23T10:00:00Z", "values": {"1-0:1.8.0": True}}]), "samples.0.values"),
        (readings(samples=[{"at": "2026-11-23T10:00:00Z", "values": {"power": 1}}]), "samples.0.values"),
        (readings(samples=[{"at": "2026-11-23T10:00:00Z", "values": {}}]), "samples.0.values"),
        (readings().replace(b"0.482", b"NaN"), "samples.0.values"),
        (readings().replace(b"0.482", b"1e999"), "samples.0.values"),
        (readings().replace(b"0.482", b"9" * 200_000), "payload"),
        (readings().replace(b"184", b"9" * 5000), "payload"),
    ],
)
def test_bad_readings_are_refused_by_field(payload: bytes, field: str) -> None:
    """A refusal names the field that is wrong."""
    with pytest.raises(ContractError) as refusal:
        Readings.parse(payload)
    assert refusal.value.field.startswith(field)


@pytest.mark.parametrize(
    ("boots", "field"),
    [
        ({}, "boots"),
        ({"ab12": []}, "boots.ab12"),
        ({"ab12": [[0, 3]]}, "boots.ab12.0"),
        ({"ab12": [[4, 3]]}, "boots.ab12.0"),
        ({"ab12": [[1, 3, 5]]}, "boots.ab12.0"),
        ({"ab12": [[1, 1]] * 1025}, "boots.ab12"),
        ({"XYZ": [[1, 1]]}, "boots"),
    ],
)
def test_bad_receipts_are_refused_by_field(boots: object, field: str) -> None:
    """A device forgets nothing on the word of a receipt that makes no sense."""
    with pytest.raises(ContractError) as refusal:
        Receipts.parse(json.dumps({"boots": boots}).encode())
    assert refusal.value.field.startswith(field)


@given(st.binary(max_size=300))
def test_no_bytes_can_do_worse_than_be_refused(payload: bytes) -> None:
    """Whatever comes from the wire is a message or a ContractError."""
    for model in MODELS.values():
        with contextlib.suppress(ContractError):
            model.parse(payload)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("software-desired", "version", 0),
        ("software-desired", "release", "latest"),
        ("software-desired", "release", "../0.3.0"),
        ("software-desired", "source", "file:///etc"),
        ("software-desired", "source", "https://me:word@releases.example"),
        ("software-desired", "source", "https://releases.example/?to=elsewhere"),
        ("software-desired", "source", "https://releases.example/ x"),
        ("software-desired", "probation_s", 9),
        ("software-desired", "memory_limit_mib", 4097),
        ("software-reported", "state", "done"),
        ("software-reported", "running", ""),
        ("software-reported", "octets", -1),
    ],
)
def test_software_that_can_t_be_is_refused_by_field(name: str, field: str, value: object) -> None:
    """A device is sent to no address but a plain one, and waits neither for nothing nor for ever."""
    document = json.loads((GOLDEN / f"{name}.json").read_text()) | {field: value}
    with pytest.raises(ContractError) as refusal:
        MODELS[name].parse(json.dumps(document).encode())
    assert refusal.value.field == field


def test_offsets_become_utc() -> None:
    """An instant given with any offset is the same instant in UTC in memory and on the wire."""
    payload = readings(samples=[{"at": "2026-11-23T11:30:00+01:30", "values": {"1-0:1.8.0": 1}}])
    sample = Readings.parse(payload).samples[0]
    assert sample.at == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert sample.at.tzinfo == UTC
    assert b'"at":"2026-11-23T10:00:00Z"' in sample.payload()


def test_raw_frames_are_standard_base64_and_nothing_else() -> None:
    """Frame bytes survive unchanged; text that is no base64 is refused."""
    frame = RawFrame(at=datetime(2026, 11, 23, tzinfo=UTC), data=bytes(range(256)))
    assert RawFrame.parse(frame.payload()) == frame
    with pytest.raises(ContractError, match="base64"):
        RawFrame.parse(b'{"at":"2026-11-23T00:00:00Z","data":"a*b="}')


def test_desired_with_a_false_hash_is_refused() -> None:
    """A desired configuration whose hash does not fit its content was altered or torn."""
    desired = Desired(version=3).sealed()
    assert Desired.parse(desired.payload()) == desired
    with pytest.raises(ContractError, match="hash does not fit"):
        Desired.parse(desired.payload().replace(b'"version":3', b'"version":4'))


def test_a_parameter_that_came_later_leaves_old_hashes_alone() -> None:
    """Documents of before `probation_s` keep their hash, and agents that don't know it compute the same."""
    old = (
        b'{"version":7,"hash":"b8ba101a7119d56af7066805e634f6e08a139bc6308291d05ac73e7f880ce307","parameters":'
        b'{"reading_interval_s":10.0,"publish_interval_s":10.0,"obis_include":["*"],"obis_exclude":[],"raw_frames":false,'
        b'"outbox_limit_mib":256,"log_level":"info"},"meters":{"LGZ:12345678":{"spec":"lgz-e350@3"}}}'
    )
    assert Desired.parse(old).parameters.probation_s == 120
    assert Desired.parse(old.replace(b'"info"', b'"info","probation_s":120')) == Desired.parse(old)
    assert Desired.parse(old.replace(b'"info"', b'"info","time_zone":""')) == Desired.parse(old)
    for later in (b'"probation_s":60', b'"time_zone":"Europe/Vilnius"'):
        with pytest.raises(ContractError, match="hash does not fit"):
            Desired.parse(old.replace(b'"info"', b'"info",' + later))


def test_topics_are_those_of_the_design() -> None:
    """The topic names of the contract table, letter by letter."""
    topics = Topics()
    assert topics.of(Kind.READINGS, "pi-1") == "wattline/v1/devices/pi-1/readings"
    assert topics.of(Kind.DESIRED, "pi-1") == "wattline/v1/devices/pi-1/config/desired"
    assert topics.command("pi-1", "ping") == "wattline/v1/devices/pi-1/commands/ping"
    assert topics.spec("lgz-e350", 3) == "wattline/v1/specs/lgz-e350/3"
    assert topics.every(Kind.READINGS) == "wattline/v1/devices/+/readings"
    assert topics.every(Kind.SPEC) == "wattline/v1/specs/+/+"
    assert shared("ingest", "a/+") == "$share/ingest/a/+"


def test_every_kind_parses_back_from_its_topic() -> None:
    """Building and parsing a topic are inverse for every kind."""
    topics = Topics("site/a")
    for kind in (*DEVICE_WRITES, Kind.DESIRED, Kind.SOFTWARE_DESIRED):
        address = topics.parse(topics.of(kind, "d.1"))
        assert (address.kind, address.device) == (kind, "d.1")
    assert topics.parse(topics.command("d", "read_now")).command == "read_now"
    parsed = topics.parse(topics.spec("s", 12))
    assert (parsed.spec, parsed.version) == ("s", 12)
    assert set(DELIVERY) == set(Kind)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "wattline/v1",
        "wattline/v2/devices/a/readings",
        "wattline/v1/devices//readings",
        "wattline/v1/devices/a/readings/x",
        "wattline/v1/devices/a/commands",
        "wattline/v1/devices/+/readings",
        "wattline/v1/specs/s/0",
        "wattline/v1/specs/s/01",
    ],
)
def test_unknown_topics_are_refused(topic: str) -> None:
    """A topic outside the contract is a ContractError that names it."""
    with pytest.raises(ContractError) as refusal:
        Topics().parse(topic)
    assert refusal.value.field == topic


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "ä", "a b", "-a", "x" * 65, "a\x00"])
def test_names_that_would_break_a_topic_are_refused(name: str) -> None:
    """No name can smuggle a wildcard, a level or a control character into a topic."""
    with pytest.raises(ContractError):
        Topics().of(Kind.READINGS, name)
    with pytest.raises(ContractError):
        Topics().spec(name, 1)


@pytest.mark.parametrize(
    "hints",
    [dict.fromkeys(("why", "what", "where", "when"), "x" * 4096), dict.fromkeys(map(str, range(65)), "x")],
    ids=["long", "many"],
)
def test_hints_are_few_and_short(hints: dict[str, str]) -> None:
    """They are stored beside each of a thousand frames."""
    frame = {"at": "2026-11-23T10:00:00Z", "data": "AAAA"}
    document = {"boot": "b3f1", "seq": 1, "reason": "no_spec", "port": "/dev/x", "protocol": "p1", "frames": [frame]}
    with pytest.raises(ContractError) as refused:
        Frames.parse(json.dumps(document | {"hints": hints}).encode())
    assert refused.value.field == "hints"
    assert Frames.parse(json.dumps(document | {"hints": {"why": "x" * 4096}}).encode()).hints
