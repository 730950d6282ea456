"""Packages of Debian 13 for any architecture: fetched through this machine's apt, unpacked without being installed."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.images.contents import BASE_PACKAGES, BASE_UNUSED, FILES, LINKS, STATE, TOOLS, TOOLS_PACKAGES
from deploy.local.debian import Progress, extract, run
from deploy.local.settings import LocalSettings

_STATUS = Path("var/lib/dpkg/status.d")
"""Where scanners look for what an image without dpkg holds, a file a package."""
_BUNDLE = Path("etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A package as it was fetched."""

    name: str
    version: str
    architecture: str
    file: Path


def fetch(architecture: str, folder: Path, settings: LocalSettings, progress: Progress) -> tuple[DebianPackage, ...]:
    """Fetch the packages of base and tools and all that they depend on, checked by Debian's keys.

    Raises ProvisionError.
    """
    fetched = folder / "fetched"
    fetched.mkdir(parents=True)
    # apt's own folder is emptied once all is unpacked
    keep = f'cp "$1"/var/cache/apt/archives/*.deb "{fetched}"'
    options = (f"--arch={architecture}", f"--extract-hook={keep}")
    contents = f"the packages of images for {architecture} (about 17 MB)"
    extract((*BASE_PACKAGES, *TOOLS_PACKAGES), contents, folder / "unused", settings, progress, *options)
    shutil.rmtree(folder / "unused")
    form = "${Package} ${Version} ${Architecture}"
    found = []
    for file in sorted(fetched.iterdir()):
        name, version, built_for = run("dpkg-deb", f"--showformat={form}", "--show", str(file)).split()
        found.append(DebianPackage(name, version, built_for, file))
    return tuple(found)


def lay_base(packages: Sequence[DebianPackage], folder: Path) -> tuple[DebianPackage, ...]:
    """Make the base's folder, and say which packages are in it."""
    used = _unpack(packages, BASE_PACKAGES, folder)
    certificates = sorted((folder / "usr/share/ca-certificates").rglob("*.crt"))
    _write(folder / _BUNDLE, "".join(one.read_text().rstrip("\n") + "\n" for one in certificates))
    remove(folder, BASE_UNUSED)
    for name, text in FILES.items():
        _write(folder / name, text)
    for name, target in LINKS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    (folder / STATE).mkdir(parents=True)
    return used


def lay_tools(packages: Sequence[DebianPackage], folder: Path) -> tuple[DebianPackage, ...]:
    """Make the folder of a shell and the few programs that compose's scripts call."""
    used = _unpack(packages, TOOLS_PACKAGES, folder)
    remove(folder, BASE_UNUSED)
    for tool in TOOLS:
        (folder / "usr/bin" / tool).symlink_to("busybox")
    return used


def remove(folder: Path, patterns: Sequence[str]) -> None:
    """Remove what these patterns find below the folder."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern), reverse=True):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _unpack(packages: Sequence[DebianPackage], names: Sequence[str], folder: Path) -> tuple[DebianPackage, ...]:
    folder.mkdir(parents=True)
    used = tuple(one for one in packages if one.name in names)
    if missing := set(names) - {one.name for one in used}:
        raise ValueError(f"Debian has no {', '.join(sorted(missing))}: name in contents.py what took their place")
    for package in used:
        run("dpkg-deb", "--extract", str(package.file), str(folder))
        _write(folder / _STATUS / package.name, run("dpkg-deb", "--field", str(package.file)))
    return used


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
