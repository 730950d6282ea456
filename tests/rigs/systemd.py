"""`systemctl` for tests on machines that no systemd runs: it starts and stops what the unit files say."""

import asyncio
import contextlib
import re
import shlex
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.processes import _die_with_parent
from deploy.local.answers import mqtt_answers
from deploy.local.postgres import PostgresServer
from deploy.local.process import ServerProcess

Unit = dict[str, dict[str, list[str]]]
"""Section, key, and its values in their order."""
_CLIENT = """#!/bin/sh
asked=$(mktemp -d {requests}/XXXXXX)
printf '%s\\n' "${{0##*/}}" "$@" > "$asked/words"
mv "$asked" "$asked.asked"
while [ ! -e "$asked.asked/answer" ]; do sleep 0.05; done
cat "$asked.asked/answer" >&2
[ ! -s "$asked.asked/answer" ]
"""
_KEY = re.compile(r"([A-Z][A-Za-z0-9]+)=(.*)")
_SECTIONS = {"Unit", "Service", "Timer", "Install"}


def parse(text: str) -> Unit:
    """A unit file, strictly: sections, `Key=value` lines, and comments on lines of their own (systemd.syntax(7))."""
    unit: Unit = {}
    keys: dict[str, list[str]] | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            assert line.strip("[]") in _SECTIONS, line
            keys = unit.setdefault(line.strip("[]"), {})
            continue
        found = _KEY.fullmatch(line)
        assert found, f"no assignment: {line!r}"
        assert keys is not None, f"in no section: {line!r}"
        assert " #" not in line, f"a comment here would be part of the value: {line!r}"
        # an empty value forgets those before it
        keys[found[1]] = [*keys.get(found[1], []), found[2]] if found[2] else []
    return unit


def environment_file(path: Path) -> dict[str, str]:
    """The variables of an EnvironmentFile."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@dataclass
class Systemd:
    """The units below `root`/etc/systemd/system, as `daemon-reload` read them last; `moved` puts paths below the root.

    PostgreSQL and Mosquitto are the packages' own units: the first is `postgres`, the second what its drop-in says.
    `given` is what this machine's ports ask for, beside what the unit gives its service.
    """

    root: Path
    postgres: PostgresServer
    mosquitto: Path
    services_port: int
    moved: Callable[[str], str]
    given: dict[str, str]
    checkpoints: dict[str, Callable[[], Awaitable[None]]]
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    _units: dict[str, Unit] = field(default_factory=dict)
    _broker: ServerProcess | None = None

    @property
    def requests(self) -> Path:
        """Where the client puts what it is asked."""
        return self.root / "requests"

    def install(self, folder: Path) -> None:
        """Put `systemctl`, and `checkpoint` for the tests, into a folder of the PATH."""
        self.requests.mkdir()
        for name in ("systemctl", "checkpoint"):
            program = folder / name
            program.write_text(_CLIENT.format(requests=self.requests))
            program.chmod(0o755)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer while the context lasts, then end whatever runs."""
        task = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            for name in list(self.running):
                await self._stop(name)
            if self._broker is not None:
                await self._broker.kill()

    async def _serve(self) -> None:
        while True:
            for asked in sorted(self.requests.glob("*.asked")):
                if not (asked / "answer").exists():
                    program, *words = (asked / "words").read_text().splitlines()
                    (asked / "growing").write_text(await self._answer(program, words))
                    (asked / "growing").rename(asked / "answer")
            await asyncio.sleep(0.05)

    async def _answer(self, program: str, words: list[str]) -> str:
        try:
            if program == "checkpoint":
                await self.checkpoints[words[0]]()
            else:
                await self._do(words)
        except Exception as error:  # noqa: BLE001  (the client's command fails with it, as the real one's would)
            return f"{program} {shlex.join(words)}: {error!r}\n"
        return ""

    async def _do(self, words: list[str]) -> None:
        verb, *rest = words
        if verb == "daemon-reload":
            found = [path for kind in ("service", "timer") for path in self._folder().glob(f"*.{kind}")]
            self._units = {path.name.removesuffix(".service"): parse(self.moved(path.read_text())) for path in found}
            return
        if verb == "is-active":
            assert rest[-1] in self.running
            return
        if verb in ("enable", "disable"):
            assert rest[0] == "--now"
            for name in rest[1:]:
                wanted_by = "timers.target" if name.endswith(".timer") else "multi-user.target"
                assert self._units[name]["Install"]["WantedBy"] == [wanted_by]
            (self.enabled.update if verb == "enable" else self.enabled.difference_update)(rest[1:])
            verb, rest = ("start", rest[1:]) if verb == "enable" else ("stop", rest[1:])
        for name in [word for word in rest if not word.startswith("-") and word != "USR1"]:
            if name == "postgresql":
                assert verb == "restart"
                await self.postgres.restart()
            elif name == "mosquitto":
                await self._broker_does(verb)
            elif not name.endswith(".timer"):
                await {"start": self._start, "stop": self._stop}[verb](name)

    def _folder(self) -> Path:
        return self.root / "etc/systemd/system"

    async def _start(self, name: str) -> None:
        """Start a service as its unit says: with its files and nothing of the shell's environment."""
        service = self._units[name]["Service"]
        credentials = self.root / "run/credentials" / name
        shutil.rmtree(credentials, ignore_errors=True)
        credentials.mkdir(parents=True, mode=0o700)
        for pair in service.get("LoadCredential", []):
            key, _, path = pair.partition(":")
            shutil.copy(path, credentials / key)
        environment = {"PATH": "/usr/bin:/bin"} | self.given
        for pair in service.get("Environment", []):
            key, _, value = pair.partition("=")
            environment[key] = value.replace("%d", str(credentials))
        for path in service["EnvironmentFile"]:
            environment |= {key: self.moved(value) for key, value in environment_file(Path(path)).items()}
        (command,) = service["ExecStart"]
        with (self.root / f"{name}.log").open("ab") as log:
            self.running[name] = await asyncio.create_subprocess_exec(
                *shlex.split(command), env=environment, cwd="/", stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=_die_with_parent, start_new_session=True,
            )  # fmt: skip

    async def _stop(self, name: str) -> None:
        process = self.running.pop(name, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        (limit,) = self._units[name]["Service"]["TimeoutStopSec"]
        assert await asyncio.wait_for(process.wait(), float(limit)) == 0, f"{name}: see {self.root}/{name}.log"

    async def _broker_does(self, verb: str) -> None:
        if verb in ("stop", "restart") and self._broker is not None:
            await self._broker.stop(signal.SIGTERM, timeout_s=60)
        if verb in ("start", "restart"):
            drop_in = parse(self.moved((self._folder() / "mosquitto.service.d/wattline.conf").read_text()))
            (command,) = drop_in["Service"]["ExecStart"]
            program, *words = shlex.split(command)
            assert program.endswith("/usr/sbin/mosquitto")
            self._broker = ServerProcess(
                [self.mosquitto, *words], self.root / "var/lib/mosquitto", orphan_signal="TERM"
            )
            await self._broker.start(self._broker_answers, timeout_s=60)
        if verb in ("reload", "kill") and self._broker is not None:
            self._broker.send(signal.SIGHUP if verb == "reload" else signal.SIGUSR1)

    async def _broker_answers(self) -> bool:
        settings = self.root / "etc/wattline"
        context = ssl.create_default_context(cafile=settings / "root.pem")
        context.load_cert_chain(settings / "ingestor.pem")
        return await mqtt_answers("127.0.0.1", self.services_port, "ingestor", "", context)
