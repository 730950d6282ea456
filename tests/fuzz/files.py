"""Every file that the agent finds at its start: it must start with any of them, and lose no whole record."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from broker.contract.messages import Clock, Reply
from broker.contract.topics import Kind
from device.commands.journal import CommandJournal
from device.config.configuration import Configuration
from device.config.spec_store import SpecStore
from device.line_settings import LineSettings
from device.outbox.outbox import Outbox
from device.outbox.record import Record, encode, scan
from device.ports.detection import KnownLine
from device.ports.memory import PortMemory
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from meters.telegram import Frame, Wire
from tests.fuzz import seeds
from tests.fuzz.registry import Try, target
from tests.fuzz.wires import NOW

LIMIT_BYTES: Final = 1024 * 1024


def place() -> Path:
    """A fresh folder; whoever runs parsers says where (tempfile.tempdir) and removes it."""
    return Path(tempfile.mkdtemp(prefix="wattline-fuzz-"))


def _outbox_files() -> dict[str, bytes]:
    """The files of an outbox that a real one wrote, by name."""
    folder = place()
    try:
        outbox = Outbox(folder, limit_bytes=LIMIT_BYTES)
        outbox.open()
        for number in range(6):
            outbox.append((Kind.READINGS, Kind.FRAMES, Kind.EVENTS)[number % 3], seeds.contract("readings")[0], "TST:1")
        outbox.acknowledge(2)
        outbox.take_unsynced()
        outbox.save_state()
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    finally:
        shutil.rmtree(folder)


@target(
    "outbox-record",
    lambda: (b"".join(encode(Record(n, 1, 7, Kind.READINGS, b"{}" * n)) for n in range(1, 5)),),
    share=20,
)
def _records() -> Try:
    def attempt(data: bytes) -> None:
        for item in scan(data):
            assert not isinstance(item, Record) or item.index >= 0

    return attempt


def _file_seeds() -> tuple[bytes, ...]:
    return tuple(f"{name}\n".encode() + data for name, data in _outbox_files().items())


@target("outbox-folder", _file_seeds, share=1)
def _outbox() -> Try:
    good, folder = _outbox_files(), place()

    def attempt(data: bytes) -> None:
        name, _, octets = data.partition(b"\n")
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for one, content in good.items():
            (folder / one).write_bytes(octets if one.encode() == name else content)
        outbox = Outbox(folder, limit_bytes=LIMIT_BYTES)
        outbox.open()
        waiting = outbox.read_after(0, 100)
        record = outbox.append(Kind.READINGS, b"{}", "TST:1")
        assert all(one.index < record.index for one in waiting)
        assert record.index in {one.index for one in outbox.read_after(record.index - 1, 10)}
        outbox.take_notices()

    return attempt


def _held() -> tuple[bytes, ...]:
    folder = place()
    try:
        held = WaitingFrames(folder, "/dev/ttyUSB0", LIMIT_BYTES)
        for data in seeds.telegrams()[:3]:
            held.add(WaitingFrame(NOW, Clock.SYNCED, "TST:1", Frame(Wire.P1, data)))
        return tuple(path.read_bytes() for path in folder.iterdir())
    finally:
        shutil.rmtree(folder)


@target("held-frames", _held, share=3)
def _held_frames() -> Try:
    folder = place()
    WaitingFrames(folder, "p", LIMIT_BYTES).add(WaitingFrame(NOW, Clock.SYNCED, "", Frame(Wire.P1, b"x")))
    [file] = folder.iterdir()

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        held = WaitingFrames(folder, "p", LIMIT_BYTES)
        assert held.add(WaitingFrame(NOW, Clock.SYNCED, "", Frame(Wire.P1, b"x")))
        assert list(held.read())[-1].frame.data == b"x"

    return attempt


def _ports() -> tuple[bytes, ...]:
    file = place() / "ports.json"
    memory = PortMemory(file)
    memory.put("/dev/ttyUSB0", KnownLine(LineSettings(9600, 8, "N"), Wire.SML))
    data = file.read_bytes()
    shutil.rmtree(file.parent)
    return (data,)


@target("ports-file", _ports, share=3)
def _port_memory() -> Try:
    file = place() / "ports.json"

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        memory = PortMemory(file)
        memory.load()
        memory.get("/dev/ttyUSB0")
        memory.slow("/dev/ttyUSB0")

    return attempt


def _desired() -> tuple[bytes, ...]:
    folder = place()
    config = Configuration(folder / "desired.json")
    config.consider(seeds.contract("desired")[0])
    found = [path.read_bytes() for path in folder.iterdir()]
    shutil.rmtree(folder)
    return (*found, *seeds.contract("desired"))


@target("desired-file", _desired, share=3)
def _configuration() -> Try:
    file = place() / "desired.json"

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        config = Configuration(file)
        config.load()
        config.spec_refs()
        config.consider(data)

    return attempt


def _journal() -> tuple[bytes, ...]:
    file = place() / "commands.json"
    journal = CommandJournal(file)
    journal.begin("k", "ping")
    journal.end("k", Reply(command="ping", ok=True))
    data = file.read_bytes()
    shutil.rmtree(file.parent)
    return (data,)


@target("commands-file", _journal, share=3)
def _command_journal() -> Try:
    file = place() / "commands.json"

    def attempt(data: bytes) -> None:
        file.write_bytes(data)
        CommandJournal(file).load()

    return attempt


@target("spec-file", lambda: seeds.contract("spec"), share=2)
def _spec_store() -> Try:
    folder = place()
    store = SpecStore(folder)
    path = store._path("lgz-e350@3")
    path.parent.mkdir(parents=True, exist_ok=True)

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        SpecStore(folder).get("lgz-e350@3")
        store.take("lgz-e350", 3, data)

    return attempt
