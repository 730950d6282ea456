"""Providing a project-local Debian 13 root with the server programs, without touching the host's own servers.

The root holds extracted packages and is no system to enter: nothing is mounted and no maintainer script runs. Its
programs are started through their own loader and libraries, so they need no privilege, see the host's paths, and
run beside whatever the host has.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.errors import PermanentError
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings

SUITE = "trixie"
PACKAGES = ("postgresql-17", "postgresql-17-timescaledb", "mosquitto", "mosquitto-clients", "busybox-static")
POSTGRES_BIN = Path("usr/lib/postgresql/17/bin")
MOSQUITTO = Path("usr/sbin/mosquitto")
MOSQUITTO_PUB = Path("usr/bin/mosquitto_pub")
MOSQUITTO_SUB = Path("usr/bin/mosquitto_sub")
BUSYBOX = Path("usr/bin/busybox")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HOST_PACKAGES = {
    "mmdebstrap": Path("/usr/bin/mmdebstrap"),
    # Only a keyring with the keys of Debian 13 has this file; installing brings an older one up to date.
    "debian-archive-keyring": Path("/usr/share/keyrings/debian-archive-trixie-stable.gpg"),
    # Debian's PostgreSQL reads time zones from the host's folder.
    "tzdata": Path("/usr/share/zoneinfo/UTC"),
}
_UNUSED = (
    "usr/lib/*/libLLVM*", "usr/lib/*/libz3*", "usr/lib/postgresql/17/lib/llvmjit*", "usr/lib/postgresql/17/lib/bitcode",
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "usr/share/perl*", "usr/lib/*/perl*",
    "var/lib/apt", "var/cache/apt", "var/log", "dev", "tmp",
)  # fmt: skip
"""What the two servers never read: half of the root. Just-in-time compilation is off."""
_LAUNCHER = """#!/bin/sh
here=$(cd "${{0%/*}}" && pwd -P) || exit 126
root=${{here%/{folder}}}
exec "$root/{loader}" --library-path "$root/{libraries}" --argv0 "$here/{name}" "$here/{name}.elf" "$@"
"""
_MOSQUITTO_PROGRAMS = (MOSQUITTO, MOSQUITTO_PUB, MOSQUITTO_SUB)
_TIMEOUT_S = 900.0

Progress = Callable[[str], None]


class ProvisionError(PermanentError):
    """Why no root could be provided here; a clause to stand in brackets."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a root holds: its folder's name is made of it, so that another recipe is another root."""

    name: str
    packages: tuple[str, ...]
    unused: tuple[str, ...]
    contents: str
    """For people, with the size of the download."""
    prepare: Callable[[Path, Path], None]
    """Makes the programs in the first folder work from the second, which the first one then becomes."""
    edition: str = ""
    """Changes with what `prepare` does."""

    @property
    def folder(self) -> str:
        """The root's name in the cache."""
        text = repr((SUITE, self.packages, self.unused, self.edition))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def provide(settings: LocalSettings, progress: Progress) -> Path:
    """The folder of the servers' root, made first where the cache has none. Raises ProvisionError."""
    return provide_root(SERVERS, settings, progress)


def provide_root(recipe: Recipe, settings: LocalSettings, progress: Progress) -> Path:
    """A root's folder, made first where the cache has none. Safe to call from several processes at once.

    Raises ProvisionError.
    """
    root = settings.cache / recipe.folder
    if root.exists():
        return root
    try:
        settings.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
        lock = settings.cache / f"{root.name}.lock"
        with file_lock(lock, lambda: progress("waiting for another run that provides the same")):
            if not root.exists():
                _make(recipe, root, settings, progress)
    except OSError as error:
        raise ProvisionError(f"{settings.cache}: {error.strerror or error}") from error
    return root


def _make(recipe: Recipe, root: Path, settings: LocalSettings, progress: Progress) -> None:
    for left in root.parent.glob(f"{root.name}.growing-*"):
        _remove(left)
    # Named after this process: what a killed one started may go on for a moment and must not meet it.
    growing = root.with_name(f"{root.name}.growing-{os.getpid()}")
    extract(recipe.packages, recipe.contents, growing, settings, progress)
    progress("preparing the programs")
    for pattern in recipe.unused:
        for path in growing.glob(pattern):
            _remove(path)
    recipe.prepare(growing, root)
    growing.chmod(0o755)
    growing.rename(root)
    progress(f"provided in {root}")


def extract(
    packages: Sequence[str], contents: str, root: Path, settings: LocalSettings, progress: Progress, *options: str
) -> None:
    """Unpack packages of Debian 13 and what they depend on into a new folder; no maintainer script runs.

    Raises ProvisionError.
    """
    if not shutil.which("apt-get"):
        raise ProvisionError("only the Debian family gets them by itself")
    host_packages(_HOST_PACKAGES, progress)
    mirror = settings.mirror or mirror_of(progress)
    progress(f"fetching {contents} from Debian 13")
    # Root mode keeps the packages' owners; chrootless mode is the same work for anybody else.
    mode = "root" if os.geteuid() == 0 else "chrootless"
    run(
        "mmdebstrap", f"--mode={mode}", "--variant=extract", "--quiet", f"--keyring={KEYRING}",
        f"--include={','.join(packages)}", "--components=main", *options, *apt_options(), SUITE, str(root), mirror,
    )  # fmt: skip


def _prepare_servers(growing: Path, _: Path) -> None:
    _write_launchers(growing)
    for program in (POSTGRES_BIN / "postgres", POSTGRES_BIN / "initdb"):
        run(str(growing / program), "--version")


def loader_of(root: Path) -> Path:
    """The root's own loader. Raises ProvisionError."""
    loader = next(iter(sorted(root.glob("usr/lib/*/ld-linux*.so.*"))), None)
    if loader is None:
        raise ProvisionError("the packages hold no loader for this machine's processor")
    return loader


def host_packages(packages: Mapping[str, Path], progress: Progress) -> None:
    """Install on this machine what it lacks: the names of packages, each with a file by which it shows.

    Raises ProvisionError.
    """
    missing = [name for name, path in packages.items() if not path.exists()]
    if not missing:
        return
    names = " ".join(missing)
    sudo = _sudo()
    if sudo is None:
        raise ProvisionError(f"to provide them, root must first run: apt-get install {names}")
    progress(f"installing {names} on this machine")
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    # A third party's source that is down must not matter: installing tells whether the lists are good enough.
    subprocess.run([*apt, "update"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_TIMEOUT_S)
    run(*apt, "install", "--no-install-recommends", *missing)
    still = [name for name in missing if not packages[name].exists()]
    if still:
        raise ProvisionError(f"this machine's apt sources have no {' '.join(still)} that is new enough")


def _sudo() -> list[str] | None:
    """The words that make a command root's: none, sudo without a password, or None where neither is to be had."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    able = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False, timeout=20).returncode == 0
    return ["sudo", "-n"] if able else None


def mirror_of(progress: Progress) -> str:
    """The Debian mirror of this machine's own apt sources."""
    found = _configured_mirror()
    if found is None and (sudo := _sudo()) is not None:
        progress("reading this machine's package lists")
        subprocess.run([*sudo, "apt-get", "-q", "update"], capture_output=True, check=False, timeout=_TIMEOUT_S)
        found = _configured_mirror()
    if found is None:
        raise ProvisionError("this machine's apt sources name no Debian mirror; name one in WATTLINE_LOCAL_MIRROR")
    return found


def _configured_mirror() -> str | None:
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    answer = run("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    for line in answer.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    return None


def apt_options() -> list[str]:
    """This machine's own ways through the net (proxies, dates), which mmdebstrap's apt would not read."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
    lines = [line for line in run("apt-config", "dump").splitlines() if line.startswith(wanted)]
    return [f"--aptopt={line.rstrip(';')}" for line in lines if not line.endswith(' "";')]


def _write_launchers(root: Path) -> None:
    """Put a launcher in place of each program, which starts it with the root's own loader and libraries."""
    loader = loader_of(root)
    for program in (
        *_MOSQUITTO_PROGRAMS,
        *(path.relative_to(root) for path in sorted((root / POSTGRES_BIN).iterdir())),
    ):
        path = root / program
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        path.rename(path.with_name(f"{path.name}.elf"))
        path.write_text(
            _LAUNCHER.format(
                folder=program.parent,
                loader=loader.relative_to(root),
                libraries=loader.parent.relative_to(root),
                name=path.name,
            )
        )
        path.chmod(0o755)


def _remove(path: Path) -> None:
    # Should anything of the host ever be mounted in there, it stays untouched.
    run("rm", "-rf", "--one-file-system", str(path))


def run(*command: str) -> str:
    """Run a command to its end and return what it says. Raises ProvisionError with its last words."""
    words: Sequence[str] = command
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProvisionError(f"{shlex.join(words[:3])}: {error}") from error
    if done.returncode:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ProvisionError(f"{shlex.join(words[:3])} failed: {last}")
    return done.stdout


SERVERS = Recipe(
    name="debian13",
    packages=PACKAGES,
    unused=_UNUSED,
    contents="PostgreSQL 17 with TimescaleDB, and Mosquitto (about 150 MB)",
    prepare=_prepare_servers,
    edition=repr((_LAUNCHER, *map(str, _MOSQUITTO_PROGRAMS))),
)
