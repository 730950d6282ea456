"""The agent's other files when bits of them flip: a copy counts, or a safe reading; never something else in silence."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.messages import Clock, Desired, MeterConfig, Parameters, Reason, Reply
from broker.errors import ContractError
from device.commands.journal import CommandJournal
from device.config.configuration import Configuration
from device.config.spec_store import SpecStore
from device.line_settings import LineSettings
from device.ports.detection import KnownLine
from device.ports.memory import PortMemory
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from device.sealed_file import COPY, read_either, sealed, unsealed, write_twice
from meters.specs.catalogue import catalogue
from meters.specs.spec import digest, spec_document
from meters.telegram import Frame, Wire

START_AT = datetime(2026, 11, 23, tzinfo=UTC)


def flips(octets: bytes, every: int = 1) -> Iterator[bytes]:
    """The octets with one bit another, for each bit, or each so many."""
    for bit in range(0, 8 * len(octets), every):
        damaged = bytearray(octets)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def test_a_sealed_document_with_any_bit_flipped_is_no_document() -> None:
    """Each single bit: the checksum sees it, in the document and in the checksum itself."""
    for document in (b"{}", b'{"a":1,"b":[true,null]}', b'{\n "x": {}\n}'):
        assert unsealed(sealed(document)) == document
        assert json.loads(sealed(document)).keys() - {"crc32"} == json.loads(document).keys()
        for damaged in flips(sealed(document)):
            with pytest.raises(ContractError):
                unsealed(damaged)


def test_a_damaged_file_is_read_from_its_copy_and_healed(tmp_path: Path) -> None:
    """Either one may be damaged, emptied or gone; both at once give nothing, and no half document."""
    path, document = tmp_path / "a.json", b'{"version":3}'
    copy = tmp_path / f"a.json{COPY}"
    write_twice(path, document)
    whole = path.read_bytes()
    for victim in (path, copy):
        for damaged in (whole[:-1] + b"]", b"", bytes(30), whole[:20]):
            victim.write_bytes(damaged)
            found = read_either(path)
            assert (found.data, bool(found.damage)) == (document, True)
            assert (path.read_bytes(), copy.read_bytes()) == (whole, whole)
            assert read_either(path).damage == ""
    path.unlink()
    assert read_either(path).data == document
    path.write_bytes(b"")
    copy.write_bytes(b"")
    with pytest.raises(ContractError):
        read_either(path)


WHY = (Reason(field="meters.LGZ:1", reason="no good reading"),)


def standing(folder: Path) -> Path:
    """A device with a version in force, a reverted one, a known port and an answered command."""
    config = Configuration(folder / "desired.json")
    for version, codes in ((1, ("*",)), (2, ("9-9:*",))):
        meters = {"LGZ:1": MeterConfig(spec="lgz-e350@1")}
        desired = Desired(version=version, parameters=Parameters(obis_include=codes), meters=meters).sealed()
        config.consider(desired.payload(), lambda _desired: {})
        if version == 1:
            config.confirm()
    config.revert(WHY, ({"parameters.obis_include": ["9-9:*"]},))
    PortMemory(folder / "ports.json").put("/dev/a", KnownLine(LineSettings.parse("9600 8N1"), Wire.SML, poll=False))
    journal = CommandJournal(folder / "commands.json")
    journal.begin("ab", "ping")
    journal.end("ab", Reply(command="ping", ok=True))
    return folder


def test_a_flipped_bit_changes_no_configuration_no_port_and_no_command(tmp_path: Path) -> None:
    """In each of the three files: what was reverted stays so, what was answered stays answered, and it is told."""
    folder = standing(tmp_path)
    for name in ("desired.json", "ports.json", "commands.json"):
        whole = (folder / name).read_bytes()
        for damaged in flips(whole, every=61):
            (folder / name).write_bytes(damaged)
            config, ports = Configuration(folder / "desired.json"), PortMemory(folder / "ports.json")
            journal = CommandJournal(folder / "commands.json")
            config.load()
            ports.load()
            journal.load()
            assert (config.version, config.held_back()) == (1, ("parameters.obis_include",))
            assert ports.get("/dev/a") is not None
            begun = journal.get("ab")
            assert begun is not None
            assert begun.reply == Reply(command="ping", ok=True)
            assert [bool(one.damage) for one in (config, ports, journal)].count(True) == 1


def test_both_copies_damaged_is_a_start_from_nothing_that_is_told(tmp_path: Path) -> None:
    """The broker brings the configuration again, the ports are looked at anew."""
    folder = standing(tmp_path)
    for name in ("desired.json", "ports.json", "commands.json"):
        (folder / name).write_bytes(b'{"crc32":"00000000"}')
        (folder / f"{name}{COPY}").write_bytes(b"")
    config, ports = Configuration(folder / "desired.json"), PortMemory(folder / "ports.json")
    journal = CommandJournal(folder / "commands.json")
    config.load()
    ports.load()
    assert journal.load() == {}
    assert (config.version, ports.get("/dev/a")) == (0, None)
    assert all((config.damage, ports.damage, journal.damage))


def test_a_damaged_spec_is_no_spec(tmp_path: Path) -> None:
    """Its digest is looked at whenever it is read: a flipped bit gives the same spec or none, never another one."""
    spec = catalogue()[0]
    document = {"spec": spec.name, "version": spec.version, "sha256": digest(spec), "document": spec_document(spec)}
    SpecStore(tmp_path).take(spec.name, spec.version, json.dumps(document).encode())
    [file] = tmp_path.glob("*.json")
    whole = file.read_bytes()
    refused = 0
    for damaged in flips(whole, every=211):
        file.write_bytes(damaged)
        found = SpecStore(tmp_path).get(spec.ref)
        refused += found is None
        assert found in (None, spec)
    assert refused > 20


def held(number: int) -> WaitingFrame:
    """A frame."""
    frame = Frame(Wire.SML, b"frame %d " % number * 20)
    return WaitingFrame(START_AT + timedelta(seconds=number), Clock.SYNCED, "ISK:1", frame)


def test_a_damaged_held_frame_costs_that_frame(tmp_path: Path) -> None:
    """Each bit of the middle one of three: the others are found, what is lost is counted, and more can be added."""
    frames = WaitingFrames(tmp_path, "/dev/a", 2**20)
    for number in range(3):
        assert frames.add(held(number))
    [file] = tmp_path.glob("*.held")
    whole = file.read_bytes()
    size = len(whole) // 3
    for damaged in flips(whole[size : 2 * size], every=3):
        file.write_bytes(whole[:size] + damaged + whole[2 * size :])
        again = WaitingFrames(tmp_path, "/dev/a", 2**20)
        assert [one.at.second for one in again.read()] == [0, 2]
        assert (again.count, again.damaged_bytes) == (2, size)
    assert again.add(held(7))
    assert [one.at.second for one in WaitingFrames(tmp_path, "/dev/a", 2**20).read()] == [0, 2, 7]


def test_held_frames_behind_a_zeroed_part_are_found(tmp_path: Path) -> None:
    """As a file system leaves it that lost a block; a torn end is cut when the next frame comes."""
    frames = WaitingFrames(tmp_path, "/dev/a", 2**20)
    for number in range(9):
        frames.add(held(number))
    [file] = tmp_path.glob("*.held")
    whole = file.read_bytes()
    size = len(whole) // 9
    file.write_bytes(bytes(int(2.5 * size)) + whole[int(2.5 * size) : -5])
    again = WaitingFrames(tmp_path, "/dev/a", 2**20)
    assert [one.at.second for one in again.read()] == [3, 4, 5, 6, 7]
    again.add(held(9))
    assert [one.at.second for one in again.read()] == [3, 4, 5, 6, 7, 9]
