"""`deploy/Dockerfile` without Docker: what it copies and installs does install and run."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from fnmatch import fnmatch
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]
_TEXT = (_TOP / "deploy" / "Dockerfile").read_text("utf-8")
_PIP = re.findall(r"^RUN /opt/wattline/bin/pip install (.*)$", _TEXT, re.MULTILINE)


def _copied(into: Path) -> None:
    """Lay out what the build stage's COPY lines bring, by what .dockerignore lets through."""
    rules = [line for line in (_TOP / "deploy" / "Dockerfile.dockerignore").read_text().splitlines() if line[0] != "#"]
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    refused = [f"**/{rule.removeprefix('**/')}" for rule in rules if rule[0] not in "!*" or rule[:2] == "**"]
    assert rules[0] == "*"

    def left_out(folder: str, names: list[str]) -> set[str]:
        paths = {name: (Path(folder) / name).relative_to(_TOP).as_posix() for name in names}
        return {name for name, path in paths.items() if any(fnmatch(f"/{path}", f"*{rule[2:]}") for rule in refused)}

    for sources, target in re.findall(r"^COPY (?!--from)(.*) (\S+)$", _TEXT, re.MULTILINE):
        for source in sources.split():
            assert source.rstrip("/") in allowed, f"{source} does not reach the builder"
            place = into / target
            if source.endswith("/"):
                shutil.copytree(_TOP / source, place, ignore=left_out)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(_TOP / source, place)


def test_the_image_s_wattline_runs(tmp_path: Path) -> None:
    """From the copied files alone, the line that installs Wattline gives the program, with all of its data."""
    built, folder = tmp_path / "src", tmp_path / "venv"
    built.mkdir()
    _copied(built)
    packages = tomllib.loads((built / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {path.name for path in built.iterdir() if path.is_dir()} == {*packages["packages"], "requirements"}
    assert _PIP[1].split() == ["--no-cache-dir", "--no-deps", "."]
    pip = [sys.executable, "-m", "pip"]
    # what `pip install .` does, in its two steps: the builder fetches hatchling; here it is at hand without a network
    _checked([*pip, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "-w", str(tmp_path), "."], built)
    (wheel,) = tmp_path.glob("*.whl")
    _checked([sys.executable, "-m", "venv", "--without-pip", str(folder)], tmp_path)
    _checked([*pip, "--python", str(folder), "install", "--no-deps", "--no-index", str(wheel)], tmp_path)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    assert "migrate" in _checked([str(folder / "bin" / "wattline"), "--help"], tmp_path)
    assert (site / "store" / "migrations" / "0001_dictionaries.sql").is_file()
    assert not list(site.glob("deploy/.env"))


def test_the_image_gets_the_tested_requirements() -> None:
    """The image's pins, hashes demanded, are those of the environment that the tests run in."""
    assert _PIP[0].split() == ["--no-cache-dir", "--require-hashes", "-r", "requirements/server.txt"]
    pins = {name: set((_TOP / "requirements" / f"{name}.txt").read_text().split("\n")) for name in ("server", "dev")}
    assert pins["server"] <= pins["dev"]
    (version,) = set(re.findall(r"^FROM python:(\d+\.\d+)", _TEXT, re.MULTILINE))
    project = tomllib.loads((_TOP / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
