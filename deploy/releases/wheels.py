"""The wheels of a release for installations without containers: gathered for any platform, kept by their content."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from deploy.releases.keys import SigningError
from device.releases.document import FILES, Platform, ReleasedWheel

_TOP: Final = Path(__file__).resolve().parents[2]
_PLATFORMS: Final = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What Debian 12's and 13's C library runs, newest first."""
_KEY: Final = TypeAdapter(Platform)
_OURS: Final = re.compile(r"^wattline-([^-]+)-")


def gather(platform: str, folder: Path) -> int:
    """Fetch the wheels that an agent needs on a platform, by our pinned requirements; returns how many there are.

    Raises SigningError.
    """
    python, _, machine = _known(platform).partition("-")
    place = folder / platform
    # what an earlier pin has left there would be signed as well
    shutil.rmtree(place, ignore_errors=True)
    words = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "--implementation=cp",
        f"--python-version={python[2:3]}.{python[3:]}",
        *(word for one in _PLATFORMS for word in ("--platform", f"{one}_{machine}")),
        f"--dest={place}", f"--requirement={_TOP / 'requirements/device.txt'}",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        last = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise SigningError(f"pip could not get requirements/device.txt for {platform}: {last}")
    return len(list(place.glob("*.whl")))


def environments(ours: Path | None, folders: Sequence[Path], public: Path) -> dict[str, tuple[ReleasedWheel, ...]]:
    """What each platform's environment holds; the files are put into the public folder. Raises SigningError.

    Each folder is named by its platform, such as `cp313-aarch64`, and holds what our own wheel needs there.
    """
    if not folders:
        return {}
    if ours is None:
        raise SigningError("--wheels without --wheel: an environment without our own wheel runs nothing")
    others = {_known(folder.name): _others(folder) for folder in folders}
    return {platform: tuple(published(path, public) for path in (ours, *found)) for platform, found in others.items()}


def prove(ours: Path, version: str) -> None:
    """See that our wheel is of this version by its name. Raises SigningError."""
    found = _OURS.match(ours.name)
    if found is None or found[1] != version:
        raise SigningError(f"{ours.name} is no wheel of {version}: a Pi would never take it for that release")


def _others(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.glob("*.whl")) if not _OURS.match(path.name)]
    if not found:
        raise SigningError(f"{folder} holds no wheels: `python -m deploy.releases wheels {folder.name}` gets them")
    return found


def published(path: Path, public: Path) -> ReleasedWheel:
    """A wheel by its content, put where Pis fetch it."""
    digest, size = put(path, public)
    return ReleasedWheel(file=path.name, sha256=digest, size=size)


def put(path: Path, public: Path) -> tuple[str, int]:
    """Put a file where Pis fetch it; returns its SHA-256 and its octets."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    place = public / FILES / digest
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        growing = place.with_name(f"{digest}.growing")
        growing.write_bytes(data)
        growing.replace(place)
    return digest, len(data)


def _known(platform: str) -> str:
    try:
        return _KEY.validate_python(platform)
    except ValidationError as error:
        raise SigningError(f"{platform} names no platform; such as cp313-aarch64 does") from error
