"""Images of this checkout, built by the command that makes them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.images.build import REPORT

_TOP = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Built:
    """The images of this checkout."""

    folder: Path
    report: dict[str, Any]

    def layout(self, image: str) -> str:
        """An image as podman and skopeo name it."""
        return f"oci:{self.folder / image}:{self.report['version']}"


def build(folder: Path, *options: str) -> Built:
    """Build images by the command that `make images` is."""
    call(["build", "--out", str(folder), *options])
    return found(folder)


def call(words: Sequence[str]) -> None:
    """Call the command that makes images, to its good end."""
    command = [sys.executable, "-m", "deploy.images", *words]
    done = subprocess.run(command, cwd=_TOP, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr


def found(folder: Path) -> Built:
    """Images that were built before."""
    return Built(folder, json.loads((folder / REPORT).read_text()))
