"""An updater that hangs is ended by the service manager, and counted as one that fell."""

import asyncio
import configparser
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device import mailbox
from device.releases.document import ReleasedWheel
from device.updater import service
from device.updater.agent import LOOK_S, LocalAgent
from device.updater.environment import Environment, this_platform
from device.updater.fallback import FALLS_MAX, note_end
from device.updater.health import Look
from device.updater.settings import UpdaterSettings
from device.updater.slots import CURRENT, UPDATER, WHOLE, Slots
from device.updater.watchdog import Watchdog
from tests.rigs.waiting import stays, until

ROOT = Path(__file__).parents[4]


class Manager:
    """The service manager's end of the socket; a name that begins with @ is of Linux's abstract names."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{place[1:]}" if place.startswith("@") else place)
        self._socket.setblocking(False)

    def heard(self) -> int:
        """How often it was told since the last time that all is well."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(100) == b"WATCHDOG=1":
                count += 1
        return count

    def environment(self, within_s: float) -> dict[str, str]:
        """What a service is told."""
        return {"NOTIFY_SOCKET": self.place, "WATCHDOG_USEC": str(int(within_s * 1e6))}

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A service manager."""
    found = Manager(str(tmp_path / "notify") if request.param == "path" else f"@wattline-{os.getpid()}-{tmp_path.name}")
    yield found
    found.close()


async def test_it_is_told_while_something_moves_and_no_longer(manager: Manager) -> None:
    """By the clock of the step in hand, however busy or idle the loop is."""
    now_s = 0.0
    watchdog = Watchdog(manager.environment(0.06), stall_s=900, clock=lambda: now_s)
    telling = asyncio.create_task(watchdog.run())
    await until(manager.heard)
    now_s = 899.0
    await until(manager.heard)
    now_s = 900.0
    await until(lambda: watchdog.stalled and not manager.heard())
    watchdog.moved()
    await until(manager.heard, what="it got on after all")
    telling.cancel()


async def test_without_a_watchdog_nothing_is_told(manager: Manager) -> None:
    """As by hand, or where the unit has none, or it is another process's."""
    for environment in (
        {}, {"NOTIFY_SOCKET": manager.place}, {**manager.environment(1), "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"},
    ):  # fmt: skip
        async with asyncio.timeout(5):
            await Watchdog(environment).run()
    assert not manager.heard()


async def test_an_updater_whose_step_hangs_says_nothing_more(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loop and its /healthz go on meanwhile: they prove nothing."""
    hangs, begun, now_s = threading.Event(), threading.Event(), [0.0]

    def look(_: LocalAgent) -> Look:
        begun.set()
        hangs.wait(60)
        return Look()

    monkeypatch.setattr(LocalAgent, "look", look)
    monkeypatch.setattr(
        service, "Watchdog", lambda: Watchdog(manager.environment(0.06), stall_s=900, clock=lambda: now_s[0])
    )
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(installed(tmp_path), stop))
    await until(lambda: begun.is_set() and manager.heard())
    now_s[0] = 901.0
    await until(lambda: not manager.heard())
    hangs.set()
    await until(manager.heard, what="the step ended, and all is well")
    stop.set()
    await running


def installed(folder: Path) -> UpdaterSettings:
    """A machine with one release, at rest."""
    wheel = ReleasedWheel(file="wattline-0.2.0-py3-none-any.whl", sha256="0" * 64, size=1)
    environment = Environment(release="0.2.0", platform=this_platform(), wheels=(wheel,))
    slot = folder / "root/slots/0.2.0"
    slot.mkdir(parents=True)
    (slot / WHOLE).write_bytes(environment.payload())
    for link in (CURRENT, UPDATER):
        Slots(folder / "root").link(link, environment.slot)
    (folder / "trust.json").write_text("{}")
    return UpdaterSettings(
        http_port=0, root=folder / "root", state_folder=folder / "state", inbox=folder / "in",
        trust=folder / "trust.json", look_every_s=0.1,
    )  # fmt: skip


async def test_an_agent_that_trickles_does_not_hold_the_updater() -> None:
    """A byte now and then, for ever: no answer within the time is none."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        agent = LocalAgent(f"http://127.0.0.1:{port}", ("true",), "", Path("/nowhere"))
        async with asyncio.timeout(3 * LOOK_S):
            assert await asyncio.to_thread(agent.look) == Look()
        # the server's side has noticed, too
        await until(lambda: len(asyncio.all_tasks()) == 1)


def test_the_unit_has_a_watchdog_that_waits_longer_than_it_is_told(tmp_path: Path) -> None:
    """And takes its word; what it ends is no good end, so the updater before goes on after some of them."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/systemd/wattline-updater.service")
    assert int(unit["Service"]["WatchdogSec"]) >= 60
    assert unit["Service"]["NotifyAccess"] == "main"
    assert unit["Service"]["Restart"] == "always"
    place = Slots(tmp_path / "root")
    place.prepare()
    state = tmp_path / "state"
    state.mkdir()
    for _ in range(FALLS_MAX - 1):
        assert not note_end(place, state, "watchdog")
    assert (state / "falls.json").read_bytes().count(b'"count":%d' % (FALLS_MAX - 1)) == 1


async def test_a_stopped_process_tells_nothing(tmp_path: Path) -> None:
    """A hang of all of it: the real program, whose process is halted."""
    manager = Manager(str(tmp_path / "notify"))
    code = "import asyncio; from device.updater.watchdog import Watchdog; asyncio.run(Watchdog().run())"
    environment = {**os.environ, **manager.environment(0.3)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT, env=environment)
    try:
        await until(manager.heard)
        process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{process.pid}/stat")
        await until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T")
        manager.heard()
        await stays(lambda: not manager.heard(), 0.5, "it is halted")
    finally:
        process.kill()
        await process.wait()
    manager.close()


def test_a_look_for_the_broker_is_bounded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the settings is asked first; an agent that names nodes that drop what comes holds nobody up for long."""
    monkeypatch.setattr("device.updater.agent.REACH_S", 1.0)
    with socket.socket() as broker, socket.socket() as full, contextlib.ExitStack() as waiting:
        broker.bind(("127.0.0.1", 0))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            line = waiting.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(full.getsockname())
        nodes = [f"127.0.0.1:{one.getsockname()[1]}" for one in (full, broker)]
        mailbox.put_broker(tmp_path, ",".join([nodes[0]] * 4))
        agent = LocalAgent("http://127.0.0.1:9", ("true",), nodes[1], tmp_path)
        began_s = time.monotonic()
        assert not agent.reachable(), "nobody listens there"
        assert 0.5 < time.monotonic() - began_s < 2.5
        broker.listen()
        began_s = time.monotonic()
        assert agent.reachable()
        assert time.monotonic() - began_s < 0.5
