"""The folders of an image's layers, from packages and the wheel: packed by the builder, copied by a Dockerfile."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deploy.images.bytecode import Interpreter, lay_bytecode, native
from deploy.images.contents import LIBRARY, OWNERS, SITE, Image
from deploy.images.packages import DebianPackage, fetch, lay_base, lay_tools
from deploy.images.python_packages import build_wheel, distributions, lay_code, lay_dependencies, lay_vendored
from deploy.images.sbom import bill
from deploy.local.debian import Progress
from deploy.local.settings import LocalSettings

BILL = "usr/share/doc/wattline/sbom.cdx.json"
"""Where an image holds its own bill of materials."""


@dataclass(frozen=True, slots=True)
class Release:
    """What of the checkout all images of a build share."""

    version: str
    revision: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Bases:
    """The folders of Debian's part, for one architecture."""

    base: Path
    tools: Path
    in_base: tuple[DebianPackage, ...]
    in_tools: tuple[DebianPackage, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """One image for one architecture: its layers' folders by name, lowest first, and its bill of materials."""

    image: Image
    architecture: str
    layers: Mapping[str, Path]
    bill: str


def trees(
    images: Sequence[Image],
    architectures: Sequence[str],
    release: Release,
    wheel: Path | None,
    work: Path,
    settings: LocalSettings,
    progress: Progress,
) -> Iterator[Tree]:
    """Make the folders of these images below `work`. Raises ProvisionError and BuildError."""
    machine = native()
    # this machine's own is always made: its Python runs here, and says what is imported
    bases = {name: _bases(name, work / name, settings, progress) for name in dict.fromkeys([machine, *architectures])}
    interpreter = Interpreter(bases[machine].base)
    (work / "wheel").mkdir()
    wheel = wheel or build_wheel(work / "wheel")
    for image in images:
        code = work / image.name / "code"
        lay_code(image, wheel, code)
        folders = {name: work / image.name / name for name in bases}
        for name, folder in folders.items():
            progress(f"fetching the packages of {image.requirements} for {name}")
            lay_dependencies(image, name, folder)
            lay_vendored(image, wheel, folder)
        files = interpreter.imported(image.starts, (folders[machine], code))
        lay_bytecode(interpreter, files, (code,), code)
        for name in architectures:
            lay_bytecode(interpreter, _before_code(files, code), (folders[name], bases[name].base), folders[name])
            yield _tree(image, name, bases[name], folders[name], code, release)


def lay_out(folder: Path, target: Path) -> None:
    """Copy a layer's folder with the owners and modes that the image has; for any but root's that takes root."""
    shutil.copytree(folder, target, symlinks=True)
    for name, owned in OWNERS.items():
        place = target / name
        if place.is_dir():
            place.chmod(owned.mode)
            if os.geteuid() == 0:
                os.chown(place, owned.uid, owned.gid)


def _bases(architecture: str, folder: Path, settings: LocalSettings, progress: Progress) -> Bases:
    packages = fetch(architecture, folder, settings, progress)
    base, tools = folder / "base", folder / "tools"
    return Bases(base, tools, lay_base(packages, base), lay_tools(packages, tools))


def _before_code(files: Sequence[str], code: Path) -> list[str]:
    """Those that stand below the code's layer: Python's own, and other people's packages."""
    return [name for name in files if name.startswith((LIBRARY, SITE)) and not (code / name).is_file()]


def _tree(image: Image, name: str, bases: Bases, dependencies: Path, code: Path, release: Release) -> Tree:
    own = code.with_name(f"code-{name}")
    shutil.copytree(code, own, symlinks=True)
    debian = (*bases.in_base, *(bases.in_tools if image.tools else ()))
    libraries = (*distributions(dependencies), *distributions(own))
    document = bill(image.name, release.version, name, debian, libraries, release.created)
    place = own / BILL
    place.parent.mkdir(parents=True)
    place.write_text(document)
    layers = {"base": bases.base, **({"tools": bases.tools} if image.tools else {})}
    return Tree(image, name, {**layers, "dependencies": dependencies, "code": own}, document)
