"""Environments of releases side by side on the disk: one is current, one has proven itself, and both were whole once.

A slot that is linked is never built over or removed; whether its files are still what they were, nobody looks.

`ROOT/slots/NAME` is a virtual environment, `ROOT/current` a link to the one that the agent is started from,
`ROOT/updater` to the one that the updater is, `ROOT/updater.before` to the one that it was before, `ROOT/files` holds
wheels, and parts of images, by their SHA-256. Where the agent runs in a container, `image.env` of the slot names its
image.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog

from broker.errors import ContractError, TransientError
from device.files import sync_folder, write_atomically
from device.updater import wheels
from device.updater.environment import Environment
from device.updater.fetching import PARTIAL
from device.updater.images import Images

log = structlog.get_logger()

CURRENT: Final = "current"
UPDATER: Final = "updater"
FALLBACK: Final = "updater.before"
LINKS: Final = (CURRENT, UPDATER, FALLBACK)
WHOLE: Final = "release.json"
"""Stands in a slot once it is whole."""
BUILD_S: Final = 600.0
TRY_S: Final = 120.0
GROWTH: Final = 5
"""Unpacked and compiled, an environment takes so many times its wheels' size; with some room to spare."""
MARGIN_BYTES: Final = 32 * 1024 * 1024


class Slots:
    """The slots below one folder; `moved` is called with each piece of a slot that is done."""

    def __init__(self, root: Path, images: Images | None = None, moved: Callable[[], None] = lambda: None) -> None:
        self.root = root
        self._images = images
        self._moved = moved
        self.files = root / "files"
        self._slots = root / "slots"

    def prepare(self) -> None:
        """See that the folders are there. Raises OSError."""
        for folder in (self.files, self._slots):
            folder.mkdir(parents=True, exist_ok=True)

    def room_for(self, environment: Environment, lacking: int) -> None:
        """See that there is room for an environment, and for the octets of its wheels that are not here.

        Raises TransientError.
        """
        free = shutil.disk_usage(self.root).free
        wanted = lacking + environment.size * GROWTH + MARGIN_BYTES
        if free < wanted:
            raise TransientError(f"{self.root} has {free // 2**20} MiB free, {wanted // 2**20} are needed")

    def is_whole(self, environment: Environment) -> bool:
        """Whether this environment is built."""
        try:
            return (self._slots / environment.slot / WHOLE).read_bytes() == environment.payload()
        except OSError:
            return False

    def build(self, environment: Environment) -> None:
        """Build an environment from its wheels, which are there and checked, and try it out while the old one runs.

        Raises ContractError where they don't make one, TransientError and OSError where this machine can't now.
        """
        if self.is_whole(environment):
            return
        place = self._slots / environment.slot
        if environment.slot in (self.linked(one) for one in LINKS):
            raise ContractError(
                f"{environment.release} runs here with other wheels: a version is never used twice",
                field="release", fix="publish it under a version of its own",
            )  # fmt: skip
        shutil.rmtree(place, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", "--without-pip", str(place)], BUILD_S, "venv")
        except ContractError as error:
            # nothing of the release was touched yet: it is this machine that lacks something, such as room
            raise TransientError(str(error)) from error
        self._moved()
        site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(place), "platbase": str(place)}))
        for wheel in environment.wheels:
            wheels.unpack(self.files / wheel.sha256, wheel.file, site)
            self._moved()
        wheels.put_command(site, place / "bin" / "python", environment.release)
        self._try_out(place)
        if environment.image is not None:
            if self._images is None:
                raise ContractError(
                    f"{environment.release} has an image, and nothing here runs images", field="release"
                )
            self._images.put(environment.image, self.files, place, self._moved)
            self._moved()
        os.sync()
        write_atomically(place / WHOLE, environment.payload())

    def _try_out(self, place: Path) -> None:
        """See that the commands start at all, and that this updater could go on here. Raises ContractError.

        What they load is compiled by it and kept so, which the agent's account could not do.
        """
        for words in (("device", "--help"), ("updater", "check")):
            _run([str(place / "bin/wattline"), *words], TRY_S, f"wattline {' '.join(words)}")
            self._moved()

    def described(self, link: str) -> Environment | None:
        """The environment that a link leads to, None where there is none, or none that can be read."""
        try:
            return Environment.parse((self.root / link / WHOLE).read_bytes())
        except (OSError, ContractError):
            return None

    def linked(self, link: str) -> str:
        """The name of the slot that a link leads to, empty where there is none."""
        try:
            return (self.root / link).readlink().name
        except OSError:
            return ""

    def link(self, link: str, slot: str) -> None:
        """Have a link lead to a slot, in one step that a power cut leaves done or undone.

        Raises OSError, also where the disk has no room for a name: then it leads where it did.
        """
        path = self.root / link
        neighbour = path.with_name(f"{link}.new")
        neighbour.unlink(missing_ok=True)
        neighbour.symlink_to(Path("slots") / slot)
        neighbour.replace(path)
        sync_folder(self.root)

    def prune(self, keep: Collection[Environment]) -> None:
        """Remove all slots and files but those of these releases; what of them can't be removed now can be later.

        Raises OSError where not even that a slot is no longer whole can be noted.
        """
        slots = {environment.slot for environment in keep} | {self.linked(one) for one in LINKS}
        files = {file for environment in keep for file in environment.files}
        there = list(self._slots.iterdir())
        stay = [path for path in there if path.name in slots]
        go = [path for path in there if path.name not in slots]
        for path in go:
            # without it the slot is not whole, however far the removal gets
            (path / WHOLE).unlink(missing_ok=True)
        if self._images is not None:
            self._images.remove(go, stay)
        for path in go:
            shutil.rmtree(path, ignore_errors=True)
        for path in self.files.iterdir():
            # also of what is half fetched: the next try goes on there
            if path.name.removesuffix(PARTIAL) not in files:
                path.unlink(missing_ok=True)


def _keeping() -> dict[str, str]:
    """Our own environment, with what is compiled kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _run(command: list[str], within_s: float, what: str) -> None:
    """Run a program to its end. Raises ContractError with what it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=within_s, check=False, stdin=subprocess.DEVNULL, env=_keeping()
        )
    except subprocess.TimeoutExpired as error:
        raise ContractError(f"{what} did not end within {within_s:.0f} s", field="release") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
        raise ContractError(f"{what} ended with {done.returncode}: {said}", field="release")
