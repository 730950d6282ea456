"""Images built once for all tests of operations, and podman to run them."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.containers import ContainerTools, provide_containers
from deploy.local.settings import LocalSettings
from tests.rigs.containers import Podman
from tests.rigs.images import Built, build, found
from tests.rigs.ops_report import complete, lacking


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that stands here is long, and `make test-ops` does it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("ops")
            item.add_marker(pytest.mark.timeout(1200))


def pytest_sessionstart() -> None:
    """A report is of one run: figures of an earlier one would hide what this one did not measure."""
    if name := os.environ.get("WATTLINE_OPS_REPORT"):
        Path(name).unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which figures the report lacks."""
    if name := os.environ.get("WATTLINE_OPS_REPORT"):
        file = Path(name)
        complete(file)
        missing = lacking(json.loads(file.read_text()) if file.exists() else {})
        terminalreporter.write_line(f"{file}: " + (f"without {', '.join(missing)}" if missing else "whole"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both images for both architectures; those of a folder that WATTLINE_IMAGES names are taken as they are."""
    given = os.environ.get("WATTLINE_IMAGES")
    if given:
        return found(Path(given).resolve())
    return build(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def tools() -> ContainerTools:
    """Podman, skopeo, the emulator and the registry, installed where they are missing."""
    return provide_containers(LocalSettings(), print)


@pytest.fixture(scope="session")
def podman(tools: ContainerTools) -> Iterator[Podman]:
    """Podman with nothing in it; its folder's name is short, for there are sockets in it."""
    made = Podman(tools, Path(tempfile.mkdtemp(prefix="wl-")))
    yield made
    made.remove()
