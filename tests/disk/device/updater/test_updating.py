"""An update from desired to confirmed or undone, cut off at every moment, over real files and a real HTTP server."""

import contextlib
import errno
import itertools
import os
import shutil
import socket
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.errors import ContractError
from deploy.releases.repository import LIVES
from device import mailbox
from device.releases import pace
from device.releases.document import FILES, Release
from device.updater import progress, slots, updating, wheels
from device.updater.environment import this_platform
from device.updater.fallback import FALLS_MAX, note_end
from device.updater.health import Look
from device.updater.installation import Installation
from device.updater.journal import FILE
from device.updater.progress import UNREAD
from device.updater.slots import CURRENT, FALLBACK, UPDATER, Slots
from device.updater.sources import SignedSources
from device.updater.updating import Updater
from tests.rigs.release_server import NOW, Publisher
from tests.rigs.wheels import stored, wheel_of

PLATFORM = this_platform()
VERSIONS = ("0.2.0", "0.3.0", "0.4.0")


class Killed(BaseException):
    """kill -9, as far as one process can do it to itself."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Agent:
    """An agent that runs the slot which was current at its last start, and does what that release does."""

    place: Slots
    behaviour: dict[str, Callable[[int], Look]]
    running: str = ""
    starts: int = 0
    looks: int = 0

    def restart(self) -> None:
        """Start what is current."""
        slot = self.place.linked(CURRENT)
        assert (self.place.root / "slots" / slot / slots.WHOLE).exists(), "a slot that is not whole was started"
        self.running, self.starts, self.looks = slot, self.starts + 1, 0

    def look(self) -> Look:
        """What it would tell."""
        self.looks += 1
        release = self.running
        look = self.behaviour[release](self.looks) if release else Look()
        return Look(release, f"boot{self.starts}", look.connected, look.samples, look.confirmed, look.rss_mib)

    def reachable(self) -> bool:
        """Always."""
        return True


def good(looks: int) -> Look:
    return Look("", "x", connected=True, samples=looks, confirmed=looks, rss_mib=50)


def hungry(looks: int) -> Look:
    return replace(good(looks), rss_mib=500)


def silent(_: int) -> Look:
    return Look("", "x", connected=True)


@dataclass
class Pi:
    """A machine with an updater whose process may end at any moment, its disk and its agent staying."""

    folder: Path
    url: str
    publisher: Publisher
    agent: Agent
    now_s: float = 0.0
    updater: Updater | None = None
    platform: str = PLATFORM

    @property
    def public(self) -> Path:
        """What is served."""
        return self.publisher.folder / "public"

    def installation(self) -> Installation:
        """What builds its slots, believing the publisher."""
        # over plain HTTP; this machine's authorities would take 20 ms to read, at each boot
        no_authority = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust = SignedSources(self.folder / "trusted", self.publisher.first, no_authority)
        return Installation(self.agent.place, self.platform, trust)

    def boot(self) -> Updater:
        """Another process of the updater."""
        self.updater = Updater(
            self.installation(), self.folder / "inbox", self.folder / "state", self.agent, look_every_s=5.0,
            clock=lambda: self.now_s,
        )  # fmt: skip
        return self.updater

    def run(self, steps: int = 400) -> SoftwareReported | None:
        """Steps until there is nothing more to do."""
        updater = self.updater or self.boot()
        for _ in range(steps):
            wait_s = updater.step()
            self.now_s += wait_s
            if updater.progress.phase == "idle" and updater.progress.outcome and updater.progress.outcome.ended_at:
                updater.step()
                break
        return mailbox.take_reported(self.folder / "state")

    def wheel(self, version: str, number: int = 0) -> Path:
        """The file of one of a release's wheels, as it is served."""
        return self.public / FILES / self.signed(version).environments[PLATFORM][number].sha256

    def signed(self, version: str) -> Release:
        """What was signed of a release."""
        (file,) = (self.public / "targets/releases").glob(f"*.{version}.json")
        return Release.model_validate_json(file.read_bytes())


def publish(publisher: Publisher, version: str) -> None:
    """A release of two wheels, of which one is the same in all."""
    files = publisher.folder / "public" / FILES
    files.mkdir(exist_ok=True)
    ours = stored(wheel_of(version, files), files)
    other = stored(wheel_of("1", files, command="", name="dep"), files)
    release = Release(version=version, environments={PLATFORM: (ours, other)})
    publisher.repository.add(release, publisher.targets, publisher.online, NOW)


def built(command: list[str], _within_s: float, what: str) -> None:
    """In place of venv, which takes seconds in all these tests: the folder that it would make."""
    if what == "venv":
        (Path(command[-1]) / "bin").mkdir(parents=True)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """Who has signed all of them."""
    made = Publisher.begun(tmp_path_factory.mktemp("publisher"))
    for version in VERSIONS:
        publish(made, version)
    return made


@pytest.fixture
def pi(tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pi]:
    """A Pi with release 0.2.0, which works."""
    monkeypatch.setattr(slots, "_run", built)
    # a cut of the power is played by what was written, not by what the disk had
    monkeypatch.setattr(os, "sync", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    shutil.copytree(publisher.folder / "public", tmp_path / "public")
    own = Publisher(tmp_path, publisher.roots, publisher.targets, publisher.online, publisher.first)
    with served(tmp_path / "public") as url:
        place = Slots(tmp_path / "opt")
        agent = Agent(place, {"0.2.0": good, "0.3.0": good, "0.4.0": silent})
        found = Pi(tmp_path, url, own, agent)
        (tmp_path / "inbox").mkdir()
        found.installation().first(url, "0.2.0")
        agent.restart()
        yield found


def desire(pi: Pi, release: str, version: int = 1, **more: Any) -> None:
    desired = SoftwareDesired(version=version, release=release, source=pi.url, probation_s=60.0, **more)
    mailbox.put_desired(pi.folder / "inbox", desired.payload())


def state(pi: Pi) -> tuple[str, str, str]:
    """What is current, of what the updater is, what runs."""
    return pi.agent.place.linked(CURRENT), pi.agent.place.linked(UPDATER), pi.agent.running


def test_what_works_is_kept_and_only_what_is_new_is_fetched(pi: Pi) -> None:
    """The wheel that both releases share is there already; the updater follows once the release has proven itself."""
    desire(pi, "0.3.0")
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running) == ("confirmed", "0.3.0")
    assert reported.octets == pi.wheel("0.3.0").stat().st_size
    assert state(pi) == ("0.3.0",) * 3
    assert pi.updater is not None
    assert pi.updater.succeeded_by == "0.3.0"
    # told again, as after a broker that forgot, it does nothing
    starts = pi.agent.starts
    desire(pi, "0.3.0", version=2)
    assert pi.run() is not None
    assert pi.agent.starts == starts


def test_what_does_not_work_is_undone_with_its_reason(pi: Pi) -> None:
    """The old one runs again, its slot whole, the report says what the new one did not do, and its slot is gone."""
    desire(pi, "0.4.0")
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running) == ("rolled_back", "0.2.0")
    assert "it takes no readings; the store confirms nothing" in reported.reasons[0].reason
    assert state(pi) == ("0.2.0",) * 3
    assert [path.name for path in (pi.agent.place.root / "slots").iterdir()] == ["0.2.0"]


def test_a_bad_release_is_tried_three_times_a_day_but_for_a_person(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes with another version of what is desired: the fourth is refused, and nothing is stopped for it."""
    pi.agent.behaviour["0.4.0"] = hungry
    for version in (1, 2, 3):
        desire(pi, "0.4.0", version, memory_limit_mib=100.0 + version)
        reported = pi.run()
        assert reported is not None
        assert reported.state == "rolled_back"
    # also by another process
    pi.boot()
    starts = pi.agent.starts
    desire(pi, "0.4.0", 4)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running, reported.octets) == ("refused", "0.2.0", 0)
    assert "0.4.0 was undone 3 times within a day" in reported.reasons[0].reason
    assert pi.agent.starts == starts
    desire(pi, "0.4.0", 5, again=True)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, pi.agent.starts) == ("rolled_back", starts + 2)
    # another release has trials of its own, and a day later it may be tried anew
    later = updating.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(updating, "now", lambda: later)
    desire(pi, "0.4.0", 6)
    assert (reported := pi.run()) is not None
    assert reported.state == "rolled_back"
    desire(pi, "0.3.0", 7)
    assert (reported := pi.run()) is not None
    assert reported.state == "confirmed"


def test_reports_of_one_memory_are_numbered(pi: Pi) -> None:
    """Over starts, too; a memory that was lost counts anew under another name."""
    told = []
    for version, release in enumerate(("0.3.0", "0.2.0", "0.3.0"), 1):
        desire(pi, release, version)
        while (pi.updater or pi.boot()).progress.outcome is None or not told or told[-1].version < version:
            told.append(pi.run(1) or pytest.fail("nothing is told"))
        told.append(pi.run() or pytest.fail("nothing is told"))
        pi.boot()
    numbers = [one.number for one in told]
    assert numbers == sorted(numbers)
    assert len({one.memory for one in told}) == 1
    assert told[0].memory
    for file in (FILE, f"{FILE}.copy"):
        (pi.folder / "state" / file).unlink()
    pi.boot()
    desire(pi, "0.2.0", 4)
    again = pi.run()
    assert again is not None
    assert again.memory not in ("", told[0].memory)


def test_what_is_gone_back_to_and_does_not_answer_is_told(pi: Pi) -> None:
    """A person must know that nobody hears the meters."""
    desire(pi, "0.4.0")
    while (pi.updater or pi.boot()).progress.phase != "trial":
        pi.run(1)
    old = pi.agent.look

    def look() -> Look:
        return Look() if pi.agent.running == "0.2.0" else old()

    pi.agent.look = look  # type: ignore[method-assign]
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.reasons[1].field) == ("rolled_back", "running")
    assert "does not answer" in reported.reasons[1].reason


@contextmanager
def cut_at(number: int, count: list[int]) -> Iterator[None]:
    """The process ends before the so-manieth call that changes the disk or the agent."""
    places: dict[str, tuple[Any, str]] = {
        "Path.replace": (Path, "replace"), "Path.symlink_to": (Path, "symlink_to"), "os.link": (os, "link"),
        "os.fsync": (os, "fsync"), "os.rename": (os, "rename"), "unpack": (slots.wheels, "unpack"),
        "shutil.rmtree": (shutil, "rmtree"), "slots._run": (slots, "_run"),
        "Agent.restart": (Agent, "restart"),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in places.values():
            original = getattr(owner, name)

            def call(*arguments: Any, original: Any = original, **more: Any) -> Any:
                count[0] += 1
                if count[0] == number:
                    raise Killed
                return original(*arguments, **more)

            patch.setattr(owner, name, call)
        yield


@pytest.mark.parametrize(("release", "ends"), [("0.3.0", "confirmed"), ("0.4.0", "rolled_back")])
def test_a_power_cut_at_any_moment_ends_as_none_would(pi: Pi, release: str, ends: str) -> None:
    """Each call that changes anything is the last one once; a next process goes on, and nothing half-done starts."""
    version, cuts = 0, 0
    # its fault shows sooner than silence
    pi.agent.behaviour["0.4.0"] = hungry
    while True:
        version, cuts = version + 1, cuts + 1
        desire(pi, release, version, again=True)
        count = [0]
        try:
            with cut_at(cuts, count):
                pi.run()
            cut = False
        except Killed:
            cut = True
        pi.boot()
        reported = pi.run()
        assert reported is not None
        assert (reported.version, reported.state) == (version, ends), f"cut {cuts}"
        runs = release if ends == "confirmed" else "0.2.0"
        assert state(pi) == (runs,) * 3, f"cut {cuts}"
        if not cut:
            break
        _back_to_the_first(pi, version)
        version += 1
    assert cuts > 30


def _back_to_the_first(pi: Pi, version: int) -> None:
    """0.2.0 again, and nothing of the other on the disk."""
    desire(pi, "0.2.0", version + 1)
    pi.run()
    place = pi.agent.place
    first = place.described(CURRENT)
    assert first is not None
    place.prune([first])
    assert state(pi) == ("0.2.0",) * 3


def test_nothing_is_believed_that_is_not_signed_for_this_machine(pi: Pi) -> None:
    """Refused before anything is fetched, with field and fix; what is not contract at all changes nothing."""
    desire(pi, "0.9.0", version=1)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.octets) == ("refused", 0)
    assert "no release of its publishers" in reported.reasons[0].reason
    pi.platform = "cp39-riscv64"
    pi.boot()
    desire(pi, "0.3.0", version=2)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.octets) == ("refused", 0)
    assert f"no environment for cp39-riscv64, but for: {PLATFORM}" in reported.reasons[0].reason
    pi.platform = PLATFORM
    pi.boot()
    (pi.folder / "inbox" / mailbox.DESIRED).write_bytes(b"{}")
    assert _said(pi.run(3)) == _said(reported)
    (pi.folder / "inbox" / mailbox.DESIRED).unlink()
    (pi.folder / "inbox" / mailbox.DESIRED).symlink_to("/etc/passwd")
    assert _said(pi.run(3)) == _said(reported)
    (pi.folder / "inbox" / mailbox.DESIRED).unlink()
    assert state(pi) == ("0.2.0",) * 3
    desire(pi, "0.3.0", version=3)
    reported = pi.run()
    assert reported is not None
    assert reported.state == "confirmed"


def _said(reported: SoftwareReported | None) -> Any:
    """A report but for when it was made."""
    return reported and reported.model_dump(exclude={"at", "seconds"})


def test_a_withdrawn_release_is_not_gone_back_to(pi: Pi) -> None:
    """Its fault must not come back, whoever asks; one that is not withdrawn may be."""
    desire(pi, "0.3.0", version=1)
    pi.run()
    publisher = pi.publisher
    publisher.repository.withdraw("0.2.0", publisher.targets, publisher.online, NOW)
    desire(pi, "0.2.0", version=2)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running) == ("refused", "0.3.0")
    assert "withdrawn" in reported.reasons[0].reason


def test_what_can_t_be_had_now_is_waited_for(pi: Pi) -> None:
    """A file that is away, broken off, another one, a word out of date: again later, with the reason."""
    wheel = pi.wheel("0.3.0")
    content = wheel.read_bytes()
    wheel.unlink()
    desire(pi, "0.3.0")

    def waits(why: str) -> None:
        pi.now_s += 3601
        reported = pi.run(3)
        assert reported is not None
        assert (reported.state, reported.running) == ("waiting", "0.2.0")
        assert why in reported.reasons[0].reason

    waits("404")
    wheel.write_bytes(content[:-10])
    waits(f"ended after {len(content) - 10} of {len(content)} bytes")
    assert (pi.agent.place.files / f"{wheel.name}.part").stat().st_size == len(content) - 10
    wheel.write_bytes(b"x" * len(content))
    waits("another content")
    wheel.write_bytes(content + b"x")
    waits("gives more than")
    wheel.write_bytes(content)
    publisher = pi.publisher
    publisher.repository.refresh(publisher.online, NOW - LIVES["timestamp"] - timedelta(days=1))
    waits("out of date")
    publisher.repository.refresh(publisher.online, NOW)
    pi.now_s += 3601
    reported = pi.run()
    assert reported is not None
    assert reported.state == "confirmed"


def test_what_is_no_longer_desired_is_given_up(pi: Pi) -> None:
    """While it waits; later the same may be desired again."""
    wheel = pi.wheel("0.3.0")
    content = wheel.read_bytes()
    wheel.unlink()
    desire(pi, "0.3.0")
    pi.run(3)
    mailbox.put_desired(pi.folder / "inbox", b"")
    reported = pi.run(3)
    assert reported is not None
    assert (reported.state, reported.reasons[0].reason) == ("refused", "it is no longer desired")
    wheel.write_bytes(content)
    desire(pi, "0.3.0", version=2)
    reported = pi.run()
    assert reported is not None
    assert reported.state == "confirmed"


def test_a_disk_without_room_stops_nothing(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked before anything is fetched; once there is room it goes on by itself."""
    usage = shutil.disk_usage(pi.folder)
    with monkeypatch.context() as patch:
        patch.setattr(slots.shutil, "disk_usage", lambda _: usage._replace(free=1024))
        desire(pi, "0.3.0")
        reported = pi.run(3)
        assert reported is not None
        assert (reported.state, reported.octets) == ("waiting", 0)
        assert "MiB free" in reported.reasons[0].reason
    pi.now_s += 61
    reported = pi.run()
    assert reported is not None
    assert reported.state == "confirmed"


def test_a_disk_that_fills_up_during_the_trial_keeps_no_bad_release(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written down any more: the old one returns all the same, and once there is room it is told."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desire(pi, "0.4.0")
    while (pi.updater or pi.boot()).progress.phase != "trial":
        pi.run(1)
    assert pi.updater is not None
    pi.run(1)
    assert pi.agent.running == "0.4.0"
    with monkeypatch.context() as patch:
        patch.setattr(progress, "write_twice", full)
        for _ in range(100):
            with contextlib.suppress(OSError):
                pi.updater.step()
            pi.now_s += 5
        assert state(pi)[::2] == ("0.2.0", "0.2.0")
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running) == ("rolled_back", "0.2.0")


def test_memory_that_can_t_be_read_is_set_aside_and_what_is_current_counts(pi: Pi) -> None:
    """Damaged in both copies, or of a newer updater, which was undone: it starts, and updates."""
    desire(pi, "0.3.0")
    pi.run()
    for file in (FILE, f"{FILE}.copy"):
        (pi.folder / "state" / file).write_bytes(b'{"format":2}')
    updater = pi.boot()
    assert (pi.folder / "state" / f"{FILE}{UNREAD}").read_bytes() == b'{"format":2}'
    assert updater.progress.confirmed == pi.agent.place.described(CURRENT)
    desire(pi, "0.2.0", version=2)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.running) == ("confirmed", "0.2.0")


def test_a_first_release_is_installed_once(pi: Pi) -> None:
    """A second time it says that the platform's word counts from here on."""
    with pytest.raises(ContractError, match=r"leads to 0\.2\.0 already"):
        pi.installation().first(pi.url, "0.3.0")


def test_a_slot_that_runs_is_never_built_over(pi: Pi) -> None:
    """Other wheels under the version that is current are refused, and what runs stays whole."""
    place = pi.agent.place
    current = place.described(CURRENT)
    assert current is not None
    other = current.model_copy(update={"wheels": (*current.wheels, *current.wheels[:1])})
    with pytest.raises(ContractError, match="never used twice"):
        place.build(other)
    assert place.described(CURRENT) == current


@pytest.mark.parametrize("rss_mib", [float("inf"), float("nan")])
def test_a_trial_whose_memory_is_damaged_is_gone_back_from(pi: Pi, rss_mib: float) -> None:
    """Whatever an agent says of itself that no document can hold: what was on trial has not proven itself by that."""
    pi.agent.behaviour["0.4.0"] = lambda looks: replace(silent(looks), rss_mib=rss_mib)
    desire(pi, "0.4.0")
    while (pi.updater or pi.boot()).progress.phase != "trial":
        pi.run(1)
    assert pi.updater is not None
    pi.updater.step()
    assert pi.boot().progress.confirmed == pi.agent.place.described(UPDATER)
    pi.run()
    assert state(pi) == ("0.2.0", "0.2.0", "0.2.0")


def test_a_source_that_trickles_is_waited_for_no_longer(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then, in the head of an answer, a document or a wheel, must not hold the updater for ever.

    What came is kept; and it goes on with another answer.
    """
    monkeypatch.setattr(pace, "WINDOW_S", 0.2)
    slow: list[str] = []
    send_head, copy = _Quiet.end_headers, _Quiet.copyfile

    def trickle(self: _Quiet, data: bytes) -> None:
        with contextlib.suppress(OSError):
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                threading.Event().wait(0.02)

    def end_headers(self: _Quiet) -> None:
        if slow and slow[0] == "head" and self.path.endswith("timestamp.json"):
            trickle(self, b"X-Slow: " + b"x" * 5000)
        send_head(self)

    def copyfile(self: _Quiet, source: Any, outputfile: Any) -> None:
        if slow and self.path.endswith(slow[0]):
            trickle(self, source.read())
        else:
            copy(self, source, outputfile)

    monkeypatch.setattr(_Quiet, "end_headers", end_headers)
    monkeypatch.setattr(_Quiet, "copyfile", copyfile)
    wheel = pi.wheel("0.3.0")
    for version, name in enumerate(("head", "timestamp.json", wheel.name), 1):
        slow[:] = [name]
        desire(pi, "0.3.0", version)
        reported = pi.run(3)
        assert reported is not None
        assert (reported.state, reported.running) == ("waiting", "0.2.0"), name
        assert "bytes came within" in reported.reasons[0].reason
    partial = pi.agent.place.files / f"{wheel.name}.part"
    had = partial.stat().st_size
    assert 0 < had < wheel.stat().st_size
    slow.clear()
    pi.now_s += 3601
    reported = pi.run()
    assert reported is not None
    assert reported.state == "confirmed"


def test_room_is_asked_for_what_is_not_there_yet(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched before takes its room already, in part or in whole."""
    signed = pi.signed("0.3.0").environments[PLATFORM]
    usage = shutil.disk_usage(pi.folder)
    enough = sum(one.size for one in signed) * slots.GROWTH + slots.MARGIN_BYTES
    half = signed[0].size // 2
    (pi.agent.place.files / f"{signed[0].sha256}.part").write_bytes(pi.wheel("0.3.0").read_bytes()[:half])
    free = [enough + signed[0].size - half - 1]
    monkeypatch.setattr(slots.shutil, "disk_usage", lambda _: usage._replace(free=free[0]))
    desire(pi, "0.3.0")
    assert (reported := pi.run(3)) is not None
    assert reported.state == "waiting"
    free[0] += 1
    pi.now_s += 61
    assert (reported := pi.run()) is not None
    assert reported.state == "confirmed"


def test_a_memory_that_is_gone_in_a_trial_proves_nothing(pi: Pi) -> None:
    """What was on trial has not proven itself by that: it is gone back from."""
    desire(pi, "0.3.0")
    while (pi.updater or pi.boot()).progress.phase != "trial":
        pi.run(1)
    pi.run(1)
    assert state(pi) == ("0.3.0", "0.2.0", "0.3.0")
    for file in (FILE, f"{FILE}.copy"):
        (pi.folder / "state" / file).unlink()
    (pi.folder / "inbox" / mailbox.DESIRED).unlink()
    pi.boot()
    pi.run(3)
    assert state(pi) == ("0.2.0",) * 3
    # one that was never there, as of an updater that was installed just now, begins with what is current
    (pi.folder / "state" / FILE).unlink()
    (pi.folder / "state" / f"{FILE}.copy").unlink()
    assert pi.boot().progress.phase == "idle"


def fall(pi: Pi, times: int = FALLS_MAX) -> None:
    """The updater's process ends badly, again and again."""
    for _ in range(times):
        note_end(pi.agent.place, pi.folder / "state", "exit-code")


def test_an_updater_that_does_not_keep_running_is_replaced_by_the_one_before(pi: Pi) -> None:
    """Cut off anywhere in that, too: the agent stays, the platform is told, and the next release is taken."""
    desire(pi, "0.3.0")
    pi.run()
    place = pi.agent.place
    assert (place.linked(UPDATER), place.linked(FALLBACK)) == ("0.3.0", "0.2.0")
    fall(pi, FALLS_MAX - 1)
    note_end(place, pi.folder / "state", "success")
    fall(pi, FALLS_MAX - 1)
    assert place.linked(UPDATER) == "0.3.0", "it was stopped in between"
    kept = pi.folder / "kept"
    shutil.copytree(pi.folder / "state", kept)
    for cut in itertools.count(1):
        count = [0]
        try:
            with cut_at(cut, count):
                fall(pi, 1)
            done = True
        except Killed:
            done = False
        fall(pi)
        assert (place.linked(UPDATER), place.linked(FALLBACK)) == ("0.2.0", "0.2.0"), f"cut {cut}"
        reported = pi.boot().step() and mailbox.take_reported(pi.folder / "state")
        assert reported
        assert (reported.state, reported.running) == ("confirmed", "0.3.0")
        assert [one.field for one in reported.reasons] == ["updater"], f"cut {cut}"
        # it does not make way again for who fell
        pi.run(3)
        assert state(pi) == ("0.3.0", "0.2.0", "0.3.0")
        assert pi.updater is not None
        assert pi.updater.succeeded_by == ""
        if done:
            break
        shutil.rmtree(pi.folder / "state")
        shutil.copytree(kept, pi.folder / "state")
        place.link(UPDATER, "0.3.0")
    assert cut > 4
    # nobody is behind it: it is started again and again
    fall(pi, 2 * FALLS_MAX)
    assert place.linked(UPDATER) == "0.2.0"
    pi.agent.behaviour["0.4.0"] = good
    desire(pi, "0.4.0", version=2)
    reported = pi.run()
    assert reported is not None
    assert (reported.state, reported.reasons) == ("confirmed", ())
    assert state(pi) == ("0.4.0",) * 3
    assert place.linked(FALLBACK) == "0.2.0"


def test_a_source_that_breaks_off_in_mid_answer_is_waited_for(pi: Pi) -> None:
    """As a proxy does that is ended: no word of it is taken, and the updater goes on."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc")
                    client.close()

        threading.Thread(target=answer, daemon=True).start()
        source = f"http://127.0.0.1:{server.getsockname()[1]}"
        desired = SoftwareDesired(version=5, release="0.3.0", source=source, probation_s=60.0)
        mailbox.put_desired(pi.folder / "inbox", desired.payload())
        pi.boot().step()
        reported = mailbox.take_reported(pi.folder / "state")
    assert reported is not None
    assert reported.state == "waiting"


def test_what_an_abandoned_release_has_left_takes_no_room_from_the_next(pi: Pi) -> None:
    """It is gone before room is asked for."""
    place = pi.agent.place
    left, half = place.files / f"{'f' * 64}.part", place.root / "slots" / "0.9.0"
    left.write_bytes(b"x" * 1000)
    half.mkdir()
    desire(pi, "0.3.0")
    pi.run(1)
    assert not left.exists()
    assert not half.exists()


def test_a_damaged_wheel_is_refused(pi: Pi, tmp_path: Path) -> None:
    """Also one whose list of contents is whole."""
    wheel = tmp_path / "damaged.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.py", b"abc" * 1000)
    data = bytearray(wheel.read_bytes())
    at = data.find(b"big.py") + len(b"big.py")
    data[at : at + 4] = b"\xff" * 4
    wheel.write_bytes(bytes(data))
    with pytest.raises(ContractError, match="is no wheel"):
        wheels.unpack(wheel, wheel.name, tmp_path / "site")


def test_a_folder_in_place_of_a_message_costs_nothing(pi: Pi) -> None:
    """Looked at for ever, it takes no descriptor with each look."""
    (pi.folder / "inbox" / mailbox.DESIRED).mkdir()
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises((ContractError, OSError)):
            mailbox.take_desired(pi.folder / "inbox")
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before
