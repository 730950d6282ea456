"""Finding Mosquitto and PostgreSQL 17 with TimescaleDB: in the environment, on the system, or in a provided root."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from broker.errors import PermanentError
from broker.mosquitto.files import find_plugin
from broker.mosquitto.version import MINIMUM, version_fault, version_of
from deploy.local import debian
from deploy.local.settings import LocalSettings

POSTGRES_MAJOR = 17
TIMESCALEDB_MINIMUM = (2, 19)
"""Debian 13's, and the oldest that our tests run on."""
_LIBRARY_FOLDERS = (
    f"/usr/lib/postgresql/{POSTGRES_MAJOR}/bin",
    f"/usr/pgsql-{POSTGRES_MAJOR}/bin",
    f"/usr/local/pgsql-{POSTGRES_MAJOR}/bin",
    "/usr/local/pgsql/bin",
    f"/opt/homebrew/opt/postgresql@{POSTGRES_MAJOR}/bin",
)
_EXTENSION_FOLDERS = (
    f"share/postgresql/{POSTGRES_MAJOR}/extension",
    f"../../../share/postgresql/{POSTGRES_MAJOR}/extension",
    "share/extension",
    "share/postgresql/extension",
)
"""Where `timescaledb.control` may be, from the folder above PostgreSQL's programs: Debian's place and the others'."""
_CLIENTS = ("mosquitto_pub", "mosquitto_sub", "busybox")

Progress = Callable[[str], None]


class ToolchainError(PermanentError):
    """A server program that is not there and could not be provided; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Server programs that were found to work; `origin` says where from, for people."""

    mosquitto: Path
    postgres_bin: Path
    origin: str
    mosquitto_pub: Path | None = None
    """Mosquitto's own client, as an engineer's hand on a topic; None where the system has Mosquitto without it."""
    mosquitto_sub: Path | None = None
    """... and the other, as the health check of compose; None likewise."""
    busybox: Path | None = None
    """What small images have for wget, for the health check of another; None likewise."""
    plugin: Path | None = None
    """Mosquitto's dynamic security plugin; None where the system has Mosquitto without it."""

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.postgres_bin / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data folder."""
        return self.postgres_bin / "initdb"


@dataclass(frozen=True, slots=True)
class Found:
    """What the environment and the system have; a `None` comes with the reason in words."""

    mosquitto: Path | None
    postgres_bin: Path | None
    reasons: tuple[str, ...]


def look(settings: LocalSettings) -> Found:
    """Look in the environment and on the system, without providing anything.

    Raises ToolchainError where the environment names a program that does not do.
    """
    reasons: list[str] = []
    mosquitto = _named("WATTLINE_LOCAL_MOSQUITTO", settings.mosquitto, mosquitto_fault)
    postgres_bin = _named("WATTLINE_LOCAL_POSTGRES_BIN", settings.postgres_bin, postgres_fault)
    if settings.system:
        mosquitto = mosquitto or _first(_system_mosquitto(), mosquitto_fault, reasons)
        postgres_bin = postgres_bin or _first(_system_postgres(), postgres_fault, reasons)
    return Found(mosquitto, postgres_bin, tuple(reasons))


def provide(settings: LocalSettings, progress: Progress) -> Toolchain:
    """The programs to run, downloaded first where they are missing; may take half a minute the first time.

    Raises ToolchainError with one sentence on what to install.
    """
    found = look(settings)
    if found.mosquitto and found.postgres_bin:
        pub, sub, busybox = (Path(program) if program else None for program in map(shutil.which, _CLIENTS))
        plugin = find_plugin(found.mosquitto)
        return Toolchain(found.mosquitto, found.postgres_bin, "system", pub, sub, busybox, plugin)
    for reason in found.reasons:
        progress(f"passed over: {reason}")
    try:
        root = debian.provide(settings, progress)
    except debian.ProvisionError as error:
        raise ToolchainError(
            f"the local stack needs Mosquitto {_dotted(MINIMUM)} or later and PostgreSQL {POSTGRES_MAJOR} "
            f"with TimescaleDB {_dotted(TIMESCALEDB_MINIMUM)} or later on this machine ({error}): install them, or "
            "name them in WATTLINE_LOCAL_MOSQUITTO and WATTLINE_LOCAL_POSTGRES_BIN"
        ) from error
    mosquitto = found.mosquitto or root / debian.MOSQUITTO
    return Toolchain(
        mosquitto,
        found.postgres_bin or root / debian.POSTGRES_BIN,
        f"{root}" if not (found.mosquitto or found.postgres_bin) else f"system and {root}",
        root / debian.MOSQUITTO_PUB,
        root / debian.MOSQUITTO_SUB,
        root / debian.BUSYBOX,
        find_plugin(mosquitto),
    )


def mosquitto_fault(program: Path) -> str | None:
    """Why this program is no Mosquitto to use, or None."""
    answer = _answer(program, "-h")
    if version_of(answer) is None:
        return f"{program} is no Mosquitto"
    fault = version_fault(answer)
    return f"{program} is {fault}" if fault else None


def postgres_fault(folder: Path) -> str | None:
    """Why this folder holds no PostgreSQL to use, or None."""
    version = re.search(r"PostgreSQL\) (\d+)", _answer(folder / "postgres", "-V"))
    if version is None or not (folder / "initdb").exists():
        return f"{folder} holds no PostgreSQL server"
    if int(version[1]) != POSTGRES_MAJOR:
        return f"{folder} is PostgreSQL {version[1]}, {POSTGRES_MAJOR} is wanted"
    controls = [folder.parent / path / "timescaledb.control" for path in _EXTENSION_FOLDERS]
    control = next((control for control in controls if control.exists()), None)
    if control is None:
        return f"{folder} has no TimescaleDB (no timescaledb.control)"
    default = re.search(r"^default_version *= *'(\d+)\.(\d+)", control.read_text(), re.MULTILINE)
    timescaledb = (int(default[1]), int(default[2])) if default else (0,)
    if timescaledb < TIMESCALEDB_MINIMUM:
        least = _dotted(TIMESCALEDB_MINIMUM)
        return f"{folder} has TimescaleDB {_dotted(timescaledb)}, {least} or later is wanted"
    return None


def _named(variable: str, path: Path | None, fault: Callable[[Path], str | None]) -> Path | None:
    if path is not None and (reason := fault(path)):
        raise ToolchainError(f"{variable}: {reason}")
    return path.absolute() if path else None


def _first(candidates: Iterator[Path], fault: Callable[[Path], str | None], reasons: list[str]) -> Path | None:
    for candidate in candidates:
        reason = fault(candidate)
        if reason is None:
            return candidate
        reasons.append(reason)
    return None


def _system_mosquitto() -> Iterator[Path]:
    # Debian installs it in sbin, which is not on everybody's PATH.
    for place in dict.fromkeys((shutil.which("mosquitto"), "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")):
        if place and Path(place).exists():
            yield Path(place)


def _system_postgres() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += [Path(folder) for folder in _LIBRARY_FOLDERS]
    # Other versions that Debian keeps side by side come last: they are refused, and `check` says why.
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    yield from (folder for folder in dict.fromkeys(folders) if (folder / "postgres").exists())


def _answer(program: Path, argument: str) -> str:
    """What a program says to its standard output, nothing where it can't be run."""
    try:
        # Mosquitto answers -h with exit code 3, so the code says nothing.
        return subprocess.run([program, argument], capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
