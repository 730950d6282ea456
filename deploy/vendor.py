"""`make vendor`: the console's JavaScript libraries, fetched through the npm client at pinned versions and checked.

`vendor.json` beside the files says which: package, version, licence, the integrity that npm published, and the files
to take. A new version is a change of `version` and an empty `integrity`, which is then filled in.
"""

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import click

from broker.errors import PermanentError

FOLDER = Path(__file__).resolve().parent.parent / "gateway" / "console" / "static" / "vendor"
PINS = "vendor.json"
_TIMEOUT_S = 300.0


def fetch(name: str, version: str, into: Path) -> Path:
    """The package's archive, as the npm client brings it. Raises PermanentError."""
    try:
        done = subprocess.run(
            ["npm", "pack", "--json", "--ignore-scripts", f"{name}@{version}"],
            cwd=into, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError(f"npm can't be run ({error}): install npm, it is needed for `make vendor` only") from error
    if done.returncode:
        raise PermanentError(f"npm pack {name}@{version} failed: {done.stderr.strip()[-500:]}")
    archives = list(into.glob("*.tgz"))
    if len(archives) != 1:
        raise PermanentError(f"npm pack {name}@{version} brought {len(archives)} archives where one was expected")
    return archives[0]


def integrity(archive: Path) -> str:
    """What npm calls the integrity of an archive (W3C Subresource Integrity, sha512)."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()


def unpack(archive: Path, files: dict[str, str], folder: Path) -> None:
    """Copy the named members of an archive; no other is looked at. Raises PermanentError for one that is missing."""
    with tarfile.open(archive) as tar:
        for member, name in files.items():
            try:
                content = tar.extractfile(f"package/{member}")
            except KeyError:
                content = None
            if content is None:
                raise PermanentError(f"{archive.name} has no file {member}")
            (folder / name).write_bytes(content.read())


def vendor(folder: Path = FOLDER) -> list[str]:
    """Bring every pinned file; returns a line on each package.

    Raises PermanentError for other bytes than pinned, before any file is touched.
    """
    pins: dict[str, dict[str, Any]] = json.loads((folder / PINS).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        archives = {name: _checked(name, pin, Path(scratch, str(n))) for n, (name, pin) in enumerate(pins.items())}
        for name, archive in archives.items():
            pins[name]["integrity"] = integrity(archive)
            unpack(archive, pins[name]["files"], folder)
    (folder / PINS).write_text(json.dumps(pins, indent=2) + "\n", "utf-8")
    return [f"{name} {pin['version']} ({pin['licence']})" for name, pin in pins.items()]


def _checked(name: str, pin: dict[str, Any], into: Path) -> Path:
    into.mkdir()
    archive = fetch(name, pin["version"], into)
    found = integrity(archive)
    if pin["integrity"] and found != pin["integrity"]:
        raise PermanentError(f"{name}@{pin['version']} is {found}, but {pin['integrity']} is pinned")
    return archive


@click.command()
def main() -> None:
    """Fetch the console's JavaScript libraries at their pinned versions."""
    try:
        for line in vendor():
            click.echo(line)
    except PermanentError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
