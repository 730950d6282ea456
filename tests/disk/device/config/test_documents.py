"""What the agent keeps on disk beside its outbox: parameters, specs, known ports, held frames."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from broker.contract.messages import VERSION_CEILING, Clock, Desired, MeterConfig, Parameters
from broker.errors import ContractError
from device.config.configuration import Configuration
from device.config.spec_store import SpecStore
from device.line_settings import LineSettings
from device.ports.detection import KnownLine
from device.ports.memory import PortMemory
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from meters.specs.catalogue import catalogue
from meters.specs.spec import digest, spec_document
from meters.telegram import Frame, Wire


def desired(version: int, **parameters: Any) -> bytes:
    """A sealed desired configuration."""
    return Desired(version=version, parameters=Parameters(**parameters)).sealed().payload()


def test_a_configuration_is_applied_and_outlives_a_restart(tmp_path: Path) -> None:
    """The last good configuration is in force after a boot without a broker."""
    config = Configuration(tmp_path / "desired.json")
    assert config.version == 0
    payload = Desired(version=3, meters={"LGZ:1": MeterConfig(spec="lgz-e350@1")}).sealed().payload()
    assert config.consider(payload).changed
    again = Configuration(tmp_path / "desired.json")
    again.load()
    assert again.version == 3
    assert again.spec_refs() == {"lgz-e350@1"}
    assert again.meter("LGZ:1") == MeterConfig(spec="lgz-e350@1")
    assert again.meter("LGZ:2") is None


def test_what_a_person_publishes_waits_for_the_gateway(tmp_path: Path) -> None:
    """Without a hash nothing is taken, not even the version; a version without room to rise never is."""
    config = Configuration(tmp_path / "desired.json")
    config.consider(desired(2, reading_interval_s=3))
    for version in (1, 3, 5_000_000_000_000_000, 2**53):
        by_hand = Desired(version=version, parameters=Parameters(raw_frames=True)).payload()
        verdict = config.consider(by_hand)
        assert (verdict.state, verdict.version, verdict.changed) == ("applied", 2, False)
    refused = config.consider(desired(2**53))
    assert (refused.state, refused.reasons[0].field) == ("refused", "version")
    assert (config.version, config.parameters.reading_interval_s, config.parameters.raw_frames) == (2, 3, False)
    assert config.consider(desired(VERSION_CEILING)).changed


def test_the_same_configuration_again_changes_nothing(tmp_path: Path) -> None:
    """A retained message comes at every connect; it is confirmed and not applied anew."""
    config = Configuration(tmp_path / "desired.json")
    config.consider(desired(2))
    verdict = config.consider(desired(2))
    assert (verdict.applied, verdict.changed) == (True, False)


@pytest.mark.parametrize(
    ("payload", "version", "field"),
    [
        (desired(5, reading_interval_s=77), 5, "version"),
        (desired(4), 4, "version"),
        (b"{", 0, "payload"),
        (b"[]", 0, "payload"),
        (b"x" * 300_000, 0, "payload"),
        (b'{"version":0}', 0, "version"),
        (b'{"version":9,"parameters":{"reading_interval_s":0}}', 9, "parameters.reading_interval_s"),
        (b'{"version":9,"parameters":{"reading_interval_s":"10"}}', 9, "parameters.reading_interval_s"),
        (b'{"version":9,"parameters":{"obis_include":[]}}', 9, "parameters.obis_include"),
        (b'{"version":9,"parameters":{"obis_include":["1-0:*","energy"]}}', 9, "parameters.obis_include.1"),
        (b'{"version":9,"parameters":{"log_level":"loud"}}', 9, "parameters.log_level"),
        (b'{"version":9,"hash":"00"}', 9, "payload"),
        (b'{"version":9,"meters":{"LGZ:1":{"spec":"no version"}}}', 9, "meters.LGZ:1.spec"),
    ],
)
def test_a_bad_configuration_is_refused_by_field_and_the_last_good_one_stays(
    tmp_path: Path, payload: bytes, version: int, field: str
) -> None:
    """Each refusal names the field; parameters in force do not change."""
    config = Configuration(tmp_path / "desired.json")
    config.consider(desired(5, reading_interval_s=33))
    verdict = config.consider(payload)
    assert not verdict.applied
    assert verdict.version == version
    assert field in [reason.field for reason in verdict.reasons]
    assert config.parameters.reading_interval_s == 33


def test_all_wrong_fields_are_named_at_once() -> None:
    """An engineer need not mend one mistake after another."""
    payload = b'{"version":9,"parameters":{"reading_interval_s":0,"publish_interval_s":-1,"raw_frames":3}}'
    verdict = Configuration(Path("/nowhere/desired.json")).consider(payload)
    assert [reason.field.removeprefix("parameters.") for reason in verdict.reasons] == [
        "reading_interval_s",
        "publish_interval_s",
        "raw_frames",
    ]


def test_unknown_fields_are_ignored_on_receipt(tmp_path: Path) -> None:
    """A newer platform may say more than this agent knows."""
    document = json.loads(Desired(version=9, parameters=Parameters(raw_frames=True)).sealed().payload())
    document["later"] = document["parameters"]["later"] = 1
    payload = json.dumps(document).encode()
    config = Configuration(tmp_path / "desired.json")
    assert config.consider(payload).applied
    assert config.parameters.raw_frames


def test_an_unreadable_file_does_not_stop_the_agent(tmp_path: Path) -> None:
    """A corrupt desired.json is left, and the defaults hold until the retained message comes."""
    (tmp_path / "desired.json").write_bytes(b"\0" * 10)
    config = Configuration(tmp_path / "desired.json")
    config.load()
    assert config.version == 0


def spec_payload(**changes: Any) -> tuple[str, int, bytes]:
    """A spec message of the catalogue's first spec, with changes."""
    spec = catalogue()[0]
    message = {"spec": spec.name, "version": spec.version, "sha256": digest(spec), "document": spec_document(spec)}
    return spec.name, spec.version, json.dumps(message | changes).encode()


def test_a_spec_is_kept_for_a_boot_without_a_broker(tmp_path: Path) -> None:
    """A spec that was taken once is there after a restart."""
    name, version, payload = spec_payload()
    store = SpecStore(tmp_path)
    assert store.get(f"{name}@{version}") is None
    ref = store.take(name, version, payload)
    assert store.get(ref) == catalogue()[0]
    assert SpecStore(tmp_path).get(ref) == catalogue()[0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"sha256": "0" * 64}, "sha256"), ({"version": 99}, "spec"), ({"document": {"name": "x"}}, "")],
)
def test_a_spec_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """Digest, topic and document must fit one another; nothing is kept of what does not."""
    name, version, payload = spec_payload(**changes)
    store = SpecStore(tmp_path)
    with pytest.raises(ContractError) as refused:
        store.take(name, version, payload)
    assert not field or refused.value.field == field
    assert store.get(f"{name}@{version}") is None


def test_a_newer_platforms_spec_is_used_without_what_is_unknown(tmp_path: Path) -> None:
    """A section to come keeps no meter from being read, now and after a restart."""
    document = spec_document(catalogue()[0]) | {"alarms": {"method": "p.97"}}
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    name, version, payload = spec_payload(document=document, sha256=hashlib.sha256(content.encode()).hexdigest())
    ref = SpecStore(tmp_path).take(name, version, payload)
    assert SpecStore(tmp_path).get(ref) == catalogue()[0]


def test_a_spec_file_that_was_changed_is_not_used(tmp_path: Path) -> None:
    """The digest is checked at each start."""
    name, version, payload = spec_payload()
    ref = SpecStore(tmp_path).take(name, version, payload)
    (tmp_path / f"{ref}.json").write_bytes(payload.replace(b'"standard": true', b'"standard": false'))
    (tmp_path / f"{ref}.json").write_bytes(payload.replace(digest(catalogue()[0]).encode(), b"0" * 64))
    assert SpecStore(tmp_path).get(ref) is None


def test_ports_are_remembered(tmp_path: Path) -> None:
    """What worked at a port is known after a restart, from the copy too; where both broke it is detected anew."""
    memory = PortMemory(tmp_path / "ports.json")
    known = KnownLine(LineSettings(9600, 7, "E"), Wire.P1)
    memory.put("/dev/ttyUSB0", known)
    again = PortMemory(tmp_path / "ports.json")
    again.load()
    assert again.get("/dev/ttyUSB0") == known
    (tmp_path / "ports.json").write_text('{"/dev/ttyUSB0": 3}')
    broken = PortMemory(tmp_path / "ports.json")
    broken.load()
    assert broken.get("/dev/ttyUSB0") == known
    for file in tmp_path.iterdir():
        file.write_text('{"/dev/ttyUSB0": 3}')
    lost = PortMemory(tmp_path / "ports.json")
    lost.load()
    assert lost.get("/dev/ttyUSB0") is None
    assert lost.damage


def held(n: int, meter: str = "") -> WaitingFrame:
    """A held frame."""
    return WaitingFrame(
        datetime(2026, 11, 23, 12, 0, n, tzinfo=UTC), Clock.SYNCED, meter, Frame(Wire.SML, bytes([n]) * 100)
    )


def test_held_frames_keep_their_times_over_a_restart_and_a_torn_end(tmp_path: Path) -> None:
    """Frames come back with time, clock and meter; a torn end is left out, and what is added behind it is found."""
    frames = WaitingFrames(tmp_path, "/dev/ttyUSB0", 10_000)
    assert all(frames.add(held(n, "ISK:1")) for n in range(5))
    [file] = tmp_path.glob("*.held")
    file.write_bytes(file.read_bytes()[:-30])
    again = WaitingFrames(tmp_path, "/dev/ttyUSB0", 10_000)
    assert again.count == 4
    assert again.add(held(9))
    assert list(again.read()) == [held(n, "ISK:1") for n in range(4)] + [held(9)]
    again.replace([held(9)])
    assert list(WaitingFrames(tmp_path, "/dev/ttyUSB0", 10_000).read()) == [held(9)]


def test_held_frames_are_bounded(tmp_path: Path) -> None:
    """A full file says no, and the caller publishes the frame raw."""
    frames = WaitingFrames(tmp_path, "/dev/ttyUSB0", 500)
    assert [frames.add(held(n)) for n in range(5)] == [True, True, True, True, False]
