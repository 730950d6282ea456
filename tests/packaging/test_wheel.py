"""The built wheel, installed and used from another directory; and what the repository itself may not hold."""

import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parents[2]
_PACKAGES = (
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
_DATA = (".sql", ".yaml", ".yml", ".json", ".sh", ".html", ".css", ".js", ".service", ".conf")
# Put together here, so that this file is not its own finding.
_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("registry-1", "docker"), ("deb", "debian"), ("pkg", "dev"))
)


def _git_files() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=_TOP, capture_output=True, check=True, text=True).stdout
    return [_TOP / name for name in names.split("\0") if name and (_TOP / name).is_file()]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's folder of programs, with the wheel in it; dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("elsewhere")
    _checked([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    how = ("--no-deps", "--no-index", "--no-compile")
    _checked([sys.executable, "-m", "pip", "--python", str(folder), "install", *how, str(wheel)], folder)
    # Only third parties' modules must come from here: an editable install's own path file is no part of a folder
    # that is added by another path file.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


def test_wheel_holds_every_file_that_the_packages_need(wheel: Path) -> None:
    """Modules, migrations, specs and dashboards are in it, and nothing but the packages."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(_TOP))
        for path in _git_files()
        if path.relative_to(_TOP).parts[0] in _PACKAGES
        and path.relative_to(_TOP).parts[:2] != ("deploy", "ansible")  # a collection of its own
        and path.suffix in {".py", *_DATA}
    }
    assert wanted - names == set()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(_PACKAGES)


@pytest.mark.parametrize(("folder", "suffix"), [("meters", ".yaml"), ("store", ".sql"), ("grafana", ".json")])
def test_wheel_holds_data_of_each_kind(wheel: Path, folder: str, suffix: str) -> None:
    """There are specs, migrations and dashboards to begin with."""
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith(f"{folder}/") and name.endswith(suffix) for name in names)


def test_wheel_carries_the_licence(wheel: Path) -> None:
    """The full text of Apache-2.0 goes along."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert b"Apache License" in archive.read(name)


@pytest.mark.parametrize("arguments", [["--help"], ["decode", "--help"]])
def test_console_script_works_outside_the_checkout(installed: Path, tmp_path: Path, arguments: list[str]) -> None:
    """`wattline` runs from another directory, from the installed wheel."""
    said = _checked([str(installed / "wattline"), *arguments], tmp_path)
    assert "Usage:" in said


def test_modules_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """The checkout is not what was tested by mistake."""
    code = f"import importlib; print(*(importlib.import_module(name).__file__ for name in {_PACKAGES!r}), sep='\\n')"
    said = _checked([str(installed / "python"), "-c", code], tmp_path)
    assert all(line.startswith(str(installed.parent)) for line in said.splitlines())


def test_no_file_names_a_package_registry() -> None:
    """Whoever builds this brings his own mirror: no file in git carries a registry's address."""
    pattern = re.compile(rb"|".join(re.escape(name).encode() for name in _REGISTRIES))
    named = [path.name for path in _git_files() if pattern.search(path.read_bytes())]
    assert named == []


@pytest.mark.parametrize("name", ["cli", "dev", "device", "server"])
def test_requirements_are_pinned_and_hashed(name: str) -> None:
    """Every requirement has one version and hashes, and no line an address or an index."""
    text = (_TOP / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(?:extra-)?index-url|--find-links)", text, re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=[a-zA-Z])", text) if re.match(r"[a-zA-Z]", entry)]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if not re.match(r"[\w.-]+(\[[\w,]+\])?==\S+", entry)] == []
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
