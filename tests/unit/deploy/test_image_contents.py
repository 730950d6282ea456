"""An image holds all that the code in it imports: nothing is there that can't start."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.images.contents import IMAGES, Image

TOP = Path(__file__).resolve().parents[3]
FOLDERS = ("broker", "cli", "deploy", "device", "gateway", "grafana", "ingestor", "intake", "meters", "outlet", "store")
DISTRIBUTIONS = packages_distributions()
_IMPORT = re.compile(r"^(?:from ([\w.]+) import (\([^)]*\)|.*)|import ([\w.]+))", re.MULTILINE)


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in (TOP / folder).rglob("*.py") if "__pycache__" not in path.parts)


@cache
def imported(path: Path) -> frozenset[str]:
    """The modules that a file's top level imports, whatever comes of it: by its lines, as parsing all takes long."""
    found: set[str] = set()
    for module, names, alone in _IMPORT.findall(path.read_text()):
        found |= {alone} if alone else {module, *(f"{module}.{name}" for name in re.findall(r"\w+", names))}
    return frozenset(found)


def required(image: Image) -> set[str]:
    lines = (TOP / image.requirements).read_text()
    names = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lines, re.MULTILINE)}
    return names - set(image.left_out)


def lacking(image: Image, module: str) -> bool:
    """Whether a module is none of Python's, none of the image's code and none of its libraries."""
    top = module.split(".", maxsplit=1)[0]
    if top in sys.stdlib_module_names:
        return False
    if top in FOLDERS:
        place = module.replace(".", "/")
        names = [name for name in (f"{place}.py", f"{place}/__init__.py") if (TOP / name).is_file()]
        return any(not image.holds(name) for name in names)
    known = {name.lower().replace("_", "-") for name in DISTRIBUTIONS.get(top, ())}
    return not known & required(image)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_what_its_code_imports(name: str) -> None:
    """A library, or a module of ours, that only other programs have would end the one that imports it."""
    image = IMAGES[name]
    # a server has the rules of `device/` and starts none of its programs, which talk to ports and install releases
    left = "device/" if name == "server" else "-"
    held = [path for path in files() if image.holds(of := path.relative_to(TOP).as_posix()) and not of.startswith(left)]
    assert len(held) > 100
    wrong = [
        f"{path.relative_to(TOP)}: {module}"
        for path in held
        for module in sorted(imported(path))
        if lacking(image, module)
    ]
    assert not wrong
