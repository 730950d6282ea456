"""Each extra of the wheel, alone: an engineer's laptop, a Pi and a server have what they need, and nothing else."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cli.commands import ALONE, COMMANDS
from deploy.local.process import free_port, until

_ROOMS = {
    "": (
        "meters.decoding",
        "meters.drafts",
        "meters.explain",
        "meters.specs",
        "meters.wires",
        "broker.contract",
        "device.simulator",
    ),
    "cli": ("cli",),
    "device": ("device", "broker.mqtt"),
    "server": ("cli", "store", "broker", "meters", "ingestor", "intake", "gateway", "outlet", "grafana"),
}
"""The packages that work with an extra alone."""
_FOREIGN = {
    "": ("aiohttp", "paho", "serial", "asyncpg"),
    "cli": ("asyncpg", "pyarrow", "jinja2", "paho", "serial"),
    "device": ("aiohttp", "asyncpg", "pyarrow", "jinja2", "prometheus_client"),
    "server": ("serial", "pytest"),
}
_ALSO = {"ca": {"device"}}
"""Commands whose library another extra has, too."""
_IMPORT_ALL = """
import importlib, pkgutil, sys
for room in sys.argv[1:]:
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(package.__path__, f"{room}."):
        importlib.import_module(module.name)
"""
_HELP_OF_ALL = """
import json
from click.testing import CliRunner
from cli.__main__ import main
from cli.commands import COMMANDS
done = {name: CliRunner().invoke(main, [name, "--help"]) for name in COMMANDS}
print(json.dumps({name: (one.exit_code, one.output) for name, one in done.items()}))
"""

Install = Callable[[str], Path]


def _libraries(wheel: Path, extra: str) -> set[str]:
    """What an installer would fetch for the wheel with one extra: its requirements, theirs, and so on."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        stated = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    found: dict[str, set[str]] = {}

    def follow(requirements: list[str], extras: set[str]) -> None:
        for requirement in map(Requirement, requirements):
            if requirement.marker and not any(requirement.marker.evaluate({"extra": one}) for one in extras or {""}):
                continue
            if requirement.name == "wattline":
                follow(stated, requirement.extras)
            elif not found.get(requirement.name, set()) >= requirement.extras | {""}:
                found.setdefault(requirement.name, set()).update(requirement.extras, {""})
                follow(distribution(requirement.name).requires or [], requirement.extras)

    follow(stated, {extra})
    return set(found)


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes environments with the wheel and one extra in them; its libraries are this environment's, by link."""
    made: dict[str, Path] = {}

    def installed(extra: str) -> Path:
        if extra in made:
            return made[extra]
        folder = made[extra] = tmp_path_factory.mktemp(f"only-{extra}")
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
        # what is imported is compiled then, and most of it never is
        how = ("--no-deps", "--no-index", "--no-compile")
        pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", *how]
        assert _run([*pip, str(wheel)], folder).returncode == 0
        site = next((folder / "lib").glob("python*")) / "site-packages"
        for name in _libraries(wheel, extra):
            files = distribution(name)
            for top in {path.parts[0] for path in files.files or ()} - {"..", "__pycache__"}:
                if not (site / top).exists():
                    (site / top).symlink_to(Path(str(files.locate_file(top))))
        return folder

    return installed


@pytest.mark.parametrize("extra", list(_ROOMS), ids=lambda extra: extra or "none")
def test_an_extra_is_enough_for_its_packages(install: Install, tmp_path: Path, extra: str) -> None:
    """Every module of theirs can be imported, and what others need is not there."""
    python = str(install(extra) / "bin" / "python")
    done = _run([python, "-c", _IMPORT_ALL, *_ROOMS[extra]], tmp_path)
    assert done.returncode == 0, done.stderr
    code = "import sys; from importlib.util import find_spec; print([n for n in sys.argv[1:] if find_spec(n)])"
    assert _run([python, "-c", code, *_FOREIGN[extra]], tmp_path).stdout == "[]\n"


@pytest.mark.parametrize("extra", list(_ROOMS), ids=lambda extra: extra or "none")
def test_each_command_loads_or_names_its_extra(install: Install, tmp_path: Path, extra: str) -> None:
    """`wattline --help` lists all, and `--help` of each works with its extra; else one line says which it wants."""
    folder = install(extra) / "bin"
    whole = _run([str(folder / "wattline"), "--help"], tmp_path)
    assert whole.returncode == 0, whole.stderr
    asked = _run([str(folder / "python"), "-c", _HELP_OF_ALL], tmp_path)
    assert asked.returncode == 0, asked.stderr
    holds = {"", extra} | ({"cli"} if extra == "server" else set())
    for name, (status, said) in json.loads(asked.stdout).items():
        wanted = {COMMANDS[name][1], ALONE.get(name, ("", COMMANDS[name][1]))[1]} | _ALSO.get(name, set())
        assert name in whole.stdout
        if wanted & holds:
            assert (status, said[:7]) == (0, "Usage: "), said
        else:
            assert status == 1
            assert any(f"install wattline[{one}]" in said for one in wanted), said


def test_a_laptop_asks_a_gateway(install: Install, tmp_path: Path) -> None:
    """With `cli` alone a command goes out to the gateway, and one that is not there is told in a sentence."""
    address = f"http://127.0.0.1:{free_port()}"
    for words in (
        ["device", "list"],
        ["export", "out.parquet"],
        ["config", "get", "pi-1"],
        ["audit", "--since", "-1d"],
    ):
        done = _run([str(install("cli") / "bin" / "wattline"), *words, "--url", address], tmp_path)
        assert done.returncode in {1, 2}, done.stdout
        assert address in done.stderr
        assert "Traceback" not in done.stderr


async def test_a_pi_runs_its_agent(install: Install, tmp_path: Path) -> None:
    """With `device` alone the agent starts and says that its broker is away; engineers' commands name their extra."""
    wattline = str(install("device") / "bin" / "wattline")
    for words in (["device", "list"], ["--url", "http://127.0.0.1:9", "device"]):
        refused = _run([wattline, *words], tmp_path)
        assert refused.returncode == 1
        assert "install wattline[cli]" in refused.stderr
        assert "Traceback" not in refused.stderr
    environment = {
        "WATTLINE_DEVICE_DEVICE_ID": "pi-1",
        "WATTLINE_DEVICE_DATA_FOLDER": str(tmp_path / "data"),
        "WATTLINE_DEVICE_PORTS": str(tmp_path / "no-port"),
        "WATTLINE_DEVICE_BROKER__PORT": str(free_port()),
        "WATTLINE_DEVICE_HTTP_PORT": "0",
    }
    log = tmp_path / "agent.log"
    with log.open("wb") as out:
        agent = subprocess.Popen([wattline, "device"], cwd=tmp_path, env=os.environ | environment, stderr=out)  # noqa: ASYNC220
    try:
        await until(lambda: b"broker_unreachable" in log.read_bytes() or agent.poll() is not None, timeout_s=60)
        agent.terminate()
        await until(lambda: agent.poll() is not None, timeout_s=60)
    finally:
        agent.kill()
        agent.wait()
    assert agent.returncode == 0, log.read_text()
    assert "broker_unreachable" in log.read_text()
    assert "Traceback" not in log.read_text()


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
