"""`deploy/Dockerfile` without Docker: what it copies and installs does install and run."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from deploy.images.contents import IMAGES, PYTHON, SERVER, SITE, Image
from deploy.images.python_packages import lay_code

_TOP = Path(__file__).resolve().parents[2]
_TEXT = (_TOP / "deploy" / "Dockerfile").read_text("utf-8")


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


def test_the_builder_s_checkout_makes_the_folders(tmp_path: Path) -> None:
    """From the copied files alone, the line that makes the layers' folders starts and finds its data and the wheel."""
    built = tmp_path / "src"
    built.mkdir()
    _copied(built)
    packages = tomllib.loads((built / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {path.name for path in built.iterdir() if path.is_dir()} == {*packages["packages"], "requirements"}
    assert not list(built.glob("deploy/.env"))
    for image in IMAGES.values():
        (words,) = re.findall(rf"^RUN /opt/builder/bin/python (.*--image {image.name} .*)$", _TEXT, re.MULTILINE)
        assert "Write the layers" in _checked([sys.executable, *words.split()[:3], "--help"], built)
        assert (built / image.requirements).is_file()
    _checked([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], built)
    (wheel,) = tmp_path.glob("*.whl")
    lay_code(SERVER, wheel, tmp_path / "code")
    assert (tmp_path / "code" / SITE / "store" / "migrations" / "0001_dictionaries.sql").is_file()


@pytest.mark.parametrize("image", list(IMAGES.values()), ids=list(IMAGES))
def test_the_dockerfile_s_images_start_as_ours(image: Image) -> None:
    """Layers in their order, user, environment, command and folders are those of `make images`."""
    stage = _TEXT.split(f"FROM scratch AS {image.name}\n")[1].split("\nFROM ")[0]
    layers = ("base", *(("tools",) if image.tools else ()), "dependencies", "code")
    copied = re.findall(rf"^COPY --from={image.name}-folders /layers/(\w+)/ /$", stage, re.MULTILINE)
    assert copied == list(layers)
    facts = dict(line.split(" ", 1) for line in stage.splitlines() if line and line[0] not in "#C")
    assert dict(word.split("=") for word in facts["ENV"].split()) == dict(image.runtime.environment)
    assert facts["USER"] == image.runtime.user
    assert json.loads(facts["ENTRYPOINT"]) == list(image.runtime.entrypoint)
    assert f"CMD {json.dumps(list(image.runtime.command))}" in stage
    assert json.loads(facts.get("VOLUME", "[]")) == list(image.runtime.volumes)


def test_the_builder_gets_the_tested_requirements() -> None:
    """Its pins, hashes demanded, and those of the images are those of the environment that the tests run in."""
    (pip,) = re.findall(r"/opt/builder/bin/pip install (.*)$", _TEXT, re.MULTILINE)
    assert pip.split() == ["--no-cache-dir", "--require-hashes", "-r", "requirements/images.txt"]
    names = ("images", "server", "device", "dev")
    pins = {name: set((_TOP / "requirements" / f"{name}.txt").read_text().split("\n")) for name in names}
    assert pins["images"] | pins["server"] | pins["device"] <= pins["dev"]
    (version,) = set(re.findall(r"^FROM .*python:(\d+\.\d+)", _TEXT, re.MULTILINE))
    assert version == PYTHON
    project = tomllib.loads((_TOP / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def _checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
