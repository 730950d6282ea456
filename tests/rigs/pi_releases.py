"""Releases of this repository for a Pi without containers: the real wheel under several versions, also with faults."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

from deploy.releases.wheels import environments, published
from device.releases.document import Release
from device.updater.environment import this_platform
from tests.rigs.release_server import NOW, Publisher

TOP = Path(__file__).resolve().parents[2]
_INSTALLER_S = ("RECORD", "INSTALLER", "REQUESTED")
CRASHES = {
    "device/agent.py": "\n\ndef _ends(self, stop):\n    raise RuntimeError('no such table')\n\n\nAgent.run = _ends\n"
}
DEAF = {
    "device/ports/supervisor.py": "\n\nasync def _hears_nothing(self):\n    await asyncio.Event().wait()\n\n\n"
    "Ports.run = _hears_nothing\n"
}
HUNGRY = {
    # it stops at some size: the machine that tests it lives on
    "device/upkeep.py": "\n\n_HELD = []\n_once = Upkeep._once\n\n\ndef _eats(self):\n    if len(_HELD) < 4:\n"
    "        _HELD.append(b'x' * 2**26)\n    _once(self)\n\n\nUpkeep._once = _eats\n"
}
"""What is put at the end of modules so that a release is a bad one in this way."""


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(words, cwd=TOP, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("*.whl")
    return built


def as_version(wheel: Path, version: str, folder: Path, faults: Mapping[str, str] | None = None) -> Path:
    """The same wheel as it would be built of another version, and with these ends of modules."""
    old = wheel.name.split("-")[1]
    path = folder / wheel.name.replace(f"-{old}-", f"-{version}-")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for member in source.infolist():
            data = source.read(member) + (faults or {}).get(member.filename, "").encode()
            if member.filename.endswith(".dist-info/METADATA"):
                data = data.replace(f"\nVersion: {old}\n".encode(), f"\nVersion: {version}\n".encode(), 1)
            target.writestr(member.filename.replace(f"wattline-{old}.", f"wattline-{version}."), data)
    return path


def dependencies(folder: Path) -> Path:
    """What an agent needs besides, as wheels of what is installed here: the tests have no network."""
    place = folder / this_platform()
    place.mkdir(parents=True)
    pinned = (TOP / "requirements/device.txt").read_text().splitlines()
    for name in (line.partition("==")[0] for line in pinned if "==" in line):
        _packed(distribution(name), place)
    return place


def _packed(of: Distribution, folder: Path) -> None:
    """An installed distribution as a wheel again."""
    tag = next(line for line in (of.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    name = (of.metadata["Name"] or "").replace("-", "_")
    rows, site = io.StringIO(), Path(str(of.locate_file("")))
    with zipfile.ZipFile(
        folder / f"{name}-{of.version}-{tag.removeprefix('Tag: ')}.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as wheel:
        for file in _files(of):
            data = (site / file).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            csv.writer(rows).writerow([file.as_posix(), f"sha256={digest}", len(data)])
            wheel.writestr(file.as_posix(), data)
        wheel.writestr(f"{of._path.name}/RECORD", rows.getvalue())  # type: ignore[attr-defined]


def _files(of: Distribution) -> Iterator[Path]:
    """What stands in its folders: a later distribution may have laid its own files over those of RECORD."""
    site = Path(str(of.locate_file("")))
    for top in sorted({file.parts[0] for file in of.files or ()} - {"..", "__pycache__"}):
        for path in [site / top] if (site / top).is_file() else sorted((site / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.name not in _INSTALLER_S:
                yield path.relative_to(site)


def publish(publisher: Publisher, ours: Path, others: Path) -> None:
    """Sign a release of this wheel, and serve its files."""
    public = publisher.folder / "public"
    version = ours.name.split("-")[1]
    release = Release(version=version, wheel=published(ours, public), environments=environments(ours, [others], public))
    publisher.repository.add(release, publisher.targets, publisher.online, NOW)
