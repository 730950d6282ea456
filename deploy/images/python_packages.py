"""Packages of Python for any architecture, by our hashed requirements, and Wattline's own from its wheel."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Literal

from broker.errors import PermanentError
from deploy.images.contents import ARCHITECTURES, COMMAND, PYTHON, PYTHON_UNUSED, SITE, Image
from deploy.images.packages import remove

_TOP = Path(__file__).resolve().parents[2]
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What Debian 13's C library runs, newest first."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class BuildError(PermanentError):
    """Why an image can't be built, with what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of Python, or of npm for browsers, in an image."""

    name: str
    version: str
    licence: str
    ecosystem: Literal["pypi", "npm"] = "pypi"


def without(requirements: str, left_out: Sequence[str]) -> str:
    """A text of pinned requirements without these. Raises BuildError where one of them is not there to leave out."""
    starts = [found.start() for found in _PIN.finditer(requirements)]
    pins = [requirements[start:end] for start, end in zip(starts, [*starts[1:], len(requirements)], strict=True)]
    kept = [pin for pin in pins if _PIN.match(pin)[1] not in left_out]  # type: ignore[index]
    if len(pins) - len(kept) != len(left_out):
        raise BuildError(f"the requirements no longer name all of {', '.join(left_out)}: see contents.py")
    return "".join(kept)


def lay_dependencies(image: Image, architecture: str, folder: Path) -> None:
    """Put the image's pinned packages into its folder, each proved by its hash. Raises BuildError."""
    site = folder / SITE
    site.mkdir(parents=True)
    pinned = folder.with_name(f"{folder.name}.txt")
    pinned.write_text(without((_TOP / image.requirements).read_text("utf-8"), image.left_out))
    platforms = [word for one in _PLATFORMS for word in ("--platform", f"{one}_{ARCHITECTURES[architecture]}")]
    words = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile",
        "--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", *platforms,
        f"--target={site}", f"--requirement={pinned}",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        last = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise BuildError(f"pip could not get {image.requirements} for {architecture}: {last}")
    remove(site, PYTHON_UNUSED)


def lay_code(image: Image, wheel: Path, folder: Path) -> None:
    """Put those of the wheel's packages into the folder that the image runs, and the command `wattline`."""
    site = folder / SITE
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            described = ".dist-info/" in name and not name.endswith("/RECORD")
            if described or (image.holds(name) and not image.is_vendored(name)):
                archive.extract(name, site)
    command = folder / "usr/bin/wattline"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND)
    command.chmod(0o755)


def lay_vendored(image: Image, wheel: Path, folder: Path) -> None:
    """Put what others wrote of the wheel into the folder of others' packages."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if image.is_vendored(name):
                archive.extract(name, folder / SITE)


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout. Raises BuildError."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(words, cwd=_TOP, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise BuildError(f"hatchling could not build the wheel: {done.stderr.strip()[-500:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def distributions(folder: Path) -> Iterator[Package]:
    """The packages of Python below a layer's folder, and the vendored ones of browsers, by name."""
    for file in sorted((folder / SITE).glob("*.dist-info/METADATA")):
        facts = Parser().parsestr(file.read_text("utf-8"), headersonly=True)
        yield Package(facts["Name"], facts["Version"], facts["License-Expression"] or "")
    for file in sorted((folder / SITE).glob("*/**/vendor/vendor.json")):
        for name, fact in json.loads(file.read_text("utf-8")).items():
            yield Package(name, fact["version"], fact["licence"], "npm")
