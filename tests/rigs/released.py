"""The wheel of the last release, built of its commit: what this checkout must get on with."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings

TOP: Final = Path(__file__).resolve().parents[2]
LAST: Final = "0.1.0"
_COMMIT: Final = "2801b93bdf95f1a9ba2548e7a0e36780cdb0fdd6"
"""The newest commit of before 0.2.0, with logins by password and no updater: what is in the field at most."""
_CONTENT: Final = "c7feb4c88cbbd72ceacab85d5c01b8f7e26ecea20ce8f2ca447b8417fddccf6f"


def released_wheel() -> Path:
    """The wheel of LAST, from the cache, else built (3 s, without a network); its content is what is pinned here."""
    settings = LocalSettings()
    folder = settings.cache / f"released-{LAST}-{_COMMIT[:12]}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    wheel = folder / f"wattline-{LAST}-py3-none-any.whl"
    with file_lock(folder / "lock", lambda: None):
        if not wheel.exists():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _build(Path(work)).replace(wheel)
    found = content_of(wheel)
    assert found == _CONTENT, f"{wheel} is not the wheel of {LAST} ({found}): remove it"
    return wheel


def content_of(wheel: Path) -> str:
    """SHA-256 of the modules' names and bytes: how they are packed is the builder's."""
    summed = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(name for name in archive.namelist() if ".dist-info/" not in name):
            summed.update(f"{name} {hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return summed.hexdigest()


def released_tree(folder: Path) -> Path:
    """A folder from which that release's services and agent start (`python -m device`)."""
    with zipfile.ZipFile(released_wheel()) as archive:
        archive.extractall(folder)  # noqa: S202 - built here, of our own commit
    return folder


def released_file(path: str) -> str:
    """A file of that release's commit, such as a unit or a list of requirements."""
    return subprocess.run(
        ["git", "show", f"{_COMMIT}:{path}"], cwd=TOP, check=True, capture_output=True, text=True, timeout=30
    ).stdout


def _build(work: Path) -> Path:
    archive = work / "tree.tar"
    done = subprocess.run(
        ["git", "archive", f"--output={archive}", _COMMIT], cwd=TOP, check=False, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, f"{LAST} is commit {_COMMIT}: {done.stderr}; `git fetch --unshallow` gets it"
    with tarfile.open(archive) as tree:
        tree.extractall(work / "tree", filter="data")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work / "dist")]
    subprocess.run(words, cwd=work / "tree", check=True, capture_output=True, timeout=100)
    (built,) = (work / "dist").glob("*.whl")
    return built
