"""What goes into images: only pinned packages, only the folders that the agent's code imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
from packaging.utils import canonicalize_name

from deploy.images.contents import AGENT, COMMAND, IMAGES, SERVER, Image
from deploy.images.packages import DebianPackage
from deploy.images.python_packages import BuildError, Package, without
from deploy.images.sbom import bill

_TOP: Final = Path(__file__).resolve().parents[3]
_OURS: Final = (
    "broker",
    "meters",
    "store",
    "device",
    "ingestor",
    "intake",
    "gateway",
    "outlet",
    "cli",
    "grafana",
    "deploy",
)
_PINS: Final = """a==1 \\
    --hash=sha256:1
b-c==2 ; python_version < '4' \\
    --hash=sha256:2
d==3 \\
    --hash=sha256:3
"""


def _files(image: Image) -> Iterator[Path]:
    for file in sorted(path for name in _OURS for path in (_TOP / name).rglob("*.py")):
        if image.holds(file.relative_to(_TOP).as_posix()):
            yield file


@cache
def _imported(file: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The modules that a file imports anywhere, and those that it can't be loaded without."""
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(_modules(ast.walk(tree))), frozenset(_modules(tree.body))


def _modules(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _has(image: Image, module: str) -> bool:
    place = module.replace(".", "/")
    files = (f"{place}.py", f"{place}/__init__.py")
    return any(image.holds(name) and (_TOP / name).is_file() for name in files)


@pytest.mark.parametrize("image", list(IMAGES.values()), ids=list(IMAGES))
def test_an_image_has_what_its_code_imports(image: Image) -> None:
    """No import of ours leads out of the image, but for the commands that a Pi has not, which name their extra."""
    missing = {
        f"{file.relative_to(_TOP)}: {module}"
        for file in _files(image)
        for module in _imported(file)[0]
        if module.split(".")[0] in _OURS and not _has(image, module)
    }
    assert missing == ({"cli/__main__.py: cli.connection"} if image is AGENT else set())


@pytest.mark.parametrize("image", list(IMAGES.values()), ids=list(IMAGES))
def test_an_image_has_the_libraries_that_its_code_imports(image: Image) -> None:
    """What could not be loaded is left out, but for a device's ports and updater on a server, which starts none."""
    kept = without((_TOP / image.requirements).read_text("utf-8"), image.left_out)
    pinned = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", kept, re.MULTILINE)}
    distributions = packages_distributions()
    missing = {
        f"{file.relative_to(_TOP)}: {top}"
        for file in _files(image)
        for top in {module.split(".")[0] for module in _imported(file)[1]}
        if top not in _OURS
        and top not in sys.stdlib_module_names
        and pinned.isdisjoint(map(canonicalize_name, distributions.get(top, ())))
    }
    of_devices = {"ports/line.py: serial", "ports/line.py: serial_asyncio", "releases/verification.py: tuf"}
    assert missing == ({f"device/{one}" for one in of_devices} if image is SERVER else set())


@pytest.mark.parametrize("image", list(IMAGES.values()), ids=list(IMAGES))
def test_an_image_has_what_it_starts(image: Image) -> None:
    """The modules whose imports get bytecode, and the command as the wheel's own script names it."""
    assert [module for module in image.starts if not _has(image, module)] == []
    module, _, name = tomllib.loads((_TOP / "pyproject.toml").read_text())["project"]["scripts"]["wattline"].partition(
        ":"
    )
    assert f"from {module} import {name}\n" in COMMAND
    assert module in image.starts


def test_the_agent_s_image_has_nothing_of_the_server() -> None:
    """Neither gateway nor store nor the client of the API, and no shell."""
    tops = {one.split("/")[0] for one in AGENT.code}
    assert tops == {"broker", "device", "meters", "cli"}
    assert not any(AGENT.holds(name) for name in ("cli/connection.py", "cli/client/http.py", "cli/devices.py"))
    assert not AGENT.tools
    assert {one.split("/")[0] for one in SERVER.code} == set(_OURS)
    assert (_TOP / SERVER.vendored[0]).is_dir()


def test_packages_are_left_out_of_the_pins() -> None:
    """With their hashes, and an entry that is not there is no silence."""
    assert without(_PINS, ("b-c",)) == "a==1 \\\n    --hash=sha256:1\nd==3 \\\n    --hash=sha256:3\n"
    assert without(_PINS, ()) == _PINS
    with pytest.raises(BuildError, match=r"contents\.py"):
        without(_PINS, ("b-c", "gone"))
    for image in IMAGES.values():
        kept = without((_TOP / image.requirements).read_text("utf-8"), image.left_out)
        assert "pydantic==" in kept
        assert not any(f"\n{name}==" in f"\n{kept}" for name in image.left_out)


def test_a_bill_of_materials_names_all_and_is_the_same_again() -> None:
    """CycloneDX by its own schema, with package URLs that scanners look up."""
    debian = [DebianPackage("libc6", "2.41-12", "arm64", Path("x"))]
    python = [
        Package("PyYAML", "6.0.3", "MIT"),
        Package("htmx.org", "2.0.11", "0BSD", "npm"),
        Package("cryptography", "50", "Apache-2.0 OR BSD-3-Clause"),
    ]
    at = datetime(2026, 11, 29, tzinfo=UTC)
    document = bill("agent", "0.2.0", "arm64", debian, python, at)
    assert document == bill("agent", "0.2.0", "arm64", debian, list(reversed(python)), at)
    for purl in (
        "pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=debian-13",
        "pkg:pypi/pyyaml@6.0.3",
        "pkg:npm/htmx.org@2.0.11",
    ):
        assert f'"{purl}"' in document
    validator = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6)
    assert validator.validate_str(document) is None
    assert validator.validate_str(document.replace('"container"', '"crate"')) is not None
