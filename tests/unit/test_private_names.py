"""A name that begins with `_` belongs to its file: no other one imports it, and paho's are leant on in one file."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
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
PAHO = ROOT / "broker/mqtt/paho_client.py"


def is_private(name: str) -> bool:
    """Whether a name is its file's own; `__version__` and its like are not."""
    return name.startswith("_") and not name.startswith("__")


def borrowed(source: str) -> Iterator[str]:
    """Each private name of another file that a source takes, with the fix; os._exit is a public name of Python's."""
    nodes = list(ast.walk(ast.parse(source)))
    imported: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if is_private(alias.name):
                    yield f"{node.lineno}: `from {node.module} import {alias.name}`: give it a name without `_` there"
    for node in nodes:
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner in imported and (owner, node.attr) != ("os", "_exit"):
                yield f"{node.lineno}: `{owner}.{node.attr}`: give it a name without `_` in {owner}"


def test_no_file_takes_a_private_name_of_another() -> None:
    """What two files need is public in the one that has it."""
    found = [
        f"{path.relative_to(ROOT)}:{one}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for one in borrowed(path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "from cli.client.http import _document",
        "import a.b\na.b._c()",
        "from a import b\nb._c = 1",
        "import a as d\nd._e",
    ],
)
def test_a_private_name_of_another_file_is_found(source: str) -> None:
    """By import or by attribute, under whatever name the module goes."""
    assert list(borrowed(source))


def test_private_names_of_objects_are_taken_in_one_file_only() -> None:
    """Ruff refuses `other._name`; an exception stands only where paho is dealt with."""
    exempt = {
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "noqa: SLF001" in path.read_text("utf-8")
    }
    assert exempt == {PAHO}, f"move what needs a private name of paho's into {PAHO.relative_to(ROOT)}"


def test_paho_still_has_the_private_names_that_we_lean_on() -> None:
    """An update of paho that renames one of them fails here, and not on a device."""
    ours = next(node for node in ast.parse(PAHO.read_text("utf-8")).body if isinstance(node, ast.ClassDef))
    used = {
        node.attr
        for node in ast.walk(ours)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in ("self", "super()")
    }
    names = (used - OWN) | OVERRIDDEN | {"_topic"}
    source = inspect.getsource(mqtt)
    missing = sorted(name for name in names if not re.search(rf"(self\.|def ){name}\b", source))
    assert len(names) > len(OVERRIDDEN) + 1
    assert not missing, f"paho has no {', '.join(missing)} any more: see what took their place, in {PAHO.name}"


OWN = {"_inbox", "_inbox_pos", "_outbox", "_opening", "_abandoned", "_violated"}
"""Of our class."""
OVERRIDDEN = {
    "_sock_recv",
    "_sock_send",
    "_sock_close",
    "_ssl_wrap_socket",
    "_create_socket_connection",
    "_packet_handle",
}
"""Methods of paho's in whose place ours are called."""
