"""Bytecode of what an image's programs load: on a read-only root Python would compile it at each start."""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.images.contents import ARCHITECTURES, PYTHON, SITE
from deploy.images.python_packages import BuildError
from deploy.local.debian import loader_of

_TAG = f"cpython-{PYTHON.replace('.', '')}"
_SCRIPT = Path(__file__).with_name("inside.py")


def native() -> str:
    """This machine's architecture. Raises BuildError where we build no image for it."""
    for architecture, machine in ARCHITECTURES.items():
        if platform.machine() == machine:
            return architecture
    raise BuildError(f"images are built on {' or '.join(ARCHITECTURES.values())}, not on {platform.machine()}")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The base's own Python, run from its folder by its own loader."""

    base: Path

    def imported(self, modules: Sequence[str], folders: Sequence[Path]) -> tuple[str, ...]:
        """What these modules load out of base and folders, by paths in the image. Raises BuildError."""
        path = ":".join(str(folder / SITE) for folder in folders)
        files = json.loads(self._run(["imported", *modules], {"PYTHONPATH": path}))
        roots = (self.base, *folders)
        return tuple(
            Path(file).relative_to(root).as_posix()
            for file in files
            for root in roots
            if Path(file).is_relative_to(root)
        )

    def compile(self, triples: Sequence[tuple[Path, Path, str]]) -> None:
        """Write bytecode: source, target, and the name that a traceback gives. Raises BuildError."""
        self._run(["compile"], {}, json.dumps([[str(source), str(target), name] for source, target, name in triples]))

    def _run(self, words: Sequence[str], environment: Mapping[str, str], said: str = "") -> str:
        loader = loader_of(self.base)
        command = [str(loader), "--library-path", str(loader.parent), str(self.base / f"usr/bin/python{PYTHON}")]
        done = subprocess.run(
            # sets have the same order each time, and nothing is written beside the sources
            [*command, "-S", "-B", str(_SCRIPT), *words],
            env={"PYTHONHOME": str(self.base / "usr"), "PYTHONHASHSEED": "0", **environment},
            input=said, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise BuildError(f"the image's Python fails at {' '.join(words)}: {done.stderr.strip()[-800:]}")
        return done.stdout


def lay_bytecode(interpreter: Interpreter, files: Sequence[str], sources: Sequence[Path], folder: Path) -> None:
    """Put bytecode of those files that `sources` have into a layer's folder. Raises BuildError."""
    triples = []
    for name in files:
        source = next((root / name for root in sources if (root / name).is_file()), None)
        if source is None:
            continue
        place = Path(name)
        target = folder / place.parent / "__pycache__" / f"{place.stem}.{_TAG}.pyc"
        target.parent.mkdir(parents=True, exist_ok=True)
        triples.append((source, target, f"/{name}"))
    interpreter.compile(triples)
