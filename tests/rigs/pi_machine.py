"""A Pi whose agent and updater are processes of their own slots, under what a service manager does with them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.demo.processes import _die_with_parent
from deploy.local.process import free_port
from device.updater.health import Look, look_of
from tests.rigs.agent import QUICK
from tests.rigs.release_server import Wire
from tests.rigs.servers import Broker

_RESTART = """#!/bin/sh
# `systemctl restart`: asked by a file, done when that is gone
touch {asked}
while [ -e {asked} ]; do sleep 0.05; done
"""
AGAIN_S = 0.3
"""RestartSec of both."""


@dataclass
class Unit:
    """A service that is started again whenever it ends, from wherever its link leads then."""

    program: Path
    words: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    wanted: bool = True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    self.program, *self.words, env=self.environment, cwd="/", stdin=asyncio.subprocess.DEVNULL,
                    stdout=log, stderr=log, preexec_fn=_die_with_parent, start_new_session=True,
                )  # fmt: skip
            self.starts += 1
            try:
                await self.process.wait()
                await asyncio.sleep(AGAIN_S)
            finally:
                await self.end()

    async def end(self) -> None:
        """Stop it, as systemd does."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(15):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """Kill it with -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)

    def resident_mib(self) -> float:
        """What it holds of memory."""
        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    @property
    def slot(self) -> str:
        """The slot that the process was started from, empty where it has just ended."""
        assert self.process is not None
        try:
            words = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().split(b"\0")
        except FileNotFoundError:
            return ""
        return next(
            (part.parts[-3] for part in (Path(os.fsdecode(word)) for word in words) if "slots" in part.parts), ""
        )


@dataclass
class PiMachine:
    """Its folders and services; `wire` serves releases, `device` is let in at the broker."""

    folder: Path
    broker: Broker
    wire: Wire
    device: str
    root_of_trust: bytes
    port: str
    agent_port: int = field(default_factory=free_port)
    updater_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        (self.folder / "etc").mkdir(parents=True)
        (self.folder / "etc/root.json").write_bytes(self.root_of_trust)
        restart = self.folder / "etc/restart"
        restart.write_text(_RESTART.format(asked=self.folder / "restart.asked"))
        restart.chmod(0o755)
        self.agent = Unit(self.root / "current/bin/wattline", ("device",), self._agent_s(), self.folder / "agent.log")
        self.updater = Unit(
            self.root / "updater/bin/wattline", ("updater",), self.updater_environment(), self.folder / "updater.log"
        )

    @property
    def root(self) -> Path:
        """Where slots stand."""
        return self.folder / "opt"

    @property
    def current(self) -> str:
        """The slot that is current."""
        return (self.root / "current").readlink().name

    def slots(self) -> list[str]:
        """The slots that stand."""
        return sorted(path.name for path in (self.root / "slots").iterdir())

    def _agent_s(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "WATTLINE_DEVICE_BROKER__HOST": self.broker.host,
            "WATTLINE_DEVICE_BROKER__PORT": str(self.broker.port),
            "WATTLINE_DEVICE_BROKER__USERNAME": self.device,
            "WATTLINE_DEVICE_BROKER__PASSWORD": self.broker.password(self.device),
            "WATTLINE_DEVICE_BROKER__ROOT": self.broker.topics.root,
            "WATTLINE_DEVICE_DEVICE_ID": self.device,
            "WATTLINE_DEVICE_DATA_FOLDER": str(self.folder / "data"),
            "WATTLINE_DEVICE_UPDATER_FOLDER": str(self.folder / "state"),
            "WATTLINE_DEVICE_PORTS": self.port,
            "WATTLINE_DEVICE_HTTP_PORT": str(self.agent_port),
            **{f"WATTLINE_DEVICE_DETECTION__{name.upper()}": str(value) for name, value in QUICK.items()},
        }

    def updater_environment(self) -> dict[str, str]:
        """The updater's settings."""
        return {
            "PATH": os.environ["PATH"],
            "WATTLINE_UPDATER_ROOT": str(self.root),
            "WATTLINE_UPDATER_STATE_FOLDER": str(self.folder / "state"),
            "WATTLINE_UPDATER_INBOX": str(self.folder / "data/software"),
            "WATTLINE_UPDATER_TRUST": str(self.folder / "etc/root.json"),
            "WATTLINE_UPDATER_SOURCE_CA": str(self.wire.authority),
            "WATTLINE_UPDATER_AGENT_URL": f"http://127.0.0.1:{self.agent_port}",
            "WATTLINE_UPDATER_AGENT_RESTART": str(self.folder / "etc/restart"),
            "WATTLINE_UPDATER_BROKER": f"{self.broker.host}:{self.broker.port}",
            "WATTLINE_UPDATER_HTTP_PORT": str(self.updater_port),
            "WATTLINE_UPDATER_LOOK_EVERY_S": "0.5",
            "WATTLINE_UPDATER_RETRY_S": "1",
        }

    async def look(self) -> Look:
        """What the agent tells of itself."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.agent_port)
        except OSError:
            return Look()
        with contextlib.closing(writer):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: pi\r\n\r\n")
            with contextlib.suppress(OSError):
                return look_of((await reader.read()).decode())
        return Look()

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Run both services, and answer whoever asks for the agent's restart."""
        tasks = [asyncio.create_task(one) for one in (self.agent.run(), self.updater.run(), self._restarts())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _restarts(self) -> None:
        asked = self.folder / "restart.asked"
        while True:
            if asked.exists():
                starts = self.agent.starts
                await self.agent.end()
                while self.agent.starts == starts:
                    await asyncio.sleep(0.02)
                asked.unlink()
            await asyncio.sleep(0.02)
